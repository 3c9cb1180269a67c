//! Data servers, by the images they are shipped in: which of their variables is a password and which says who connects.
//!
//! Sources: the pages of the official images and of Bitnami's, <https://hub.docker.com/_/postgres>,
//! <https://hub.docker.com/_/mysql>, <https://hub.docker.com/_/mongo>, <https://hub.docker.com/_/rabbitmq>,
//! <https://github.com/bitnami/containers/tree/main/bitnami>.

struct Server {
    /// Words that the last part of the image's repository holds.
    images: &'static [&'static str],
    passwords: &'static [&'static str],
    identity: &'static [&'static str],
}

const SERVERS: &[Server] = &[
    Server {
        images: &["postgres", "postgis", "timescale", "pgvector", "spilo"],
        passwords: &[
            "POSTGRES_PASSWORD",
            "POSTGRES_POSTGRES_PASSWORD",
            "POSTGRESQL_PASSWORD",
            "POSTGRESQL_POSTGRES_PASSWORD",
            "POSTGRESQL_REPLICATION_PASSWORD",
            "POSTGRES_REPLICATION_PASSWORD",
            "PGPASSWORD",
        ],
        identity: &[
            "POSTGRES_USER",
            "POSTGRES_DB",
            "POSTGRESQL_USERNAME",
            "POSTGRESQL_DATABASE",
            "PGUSER",
            "PGDATABASE",
        ],
    },
    Server {
        images: &["mysql", "mariadb", "percona"],
        passwords: &[
            "MYSQL_ROOT_PASSWORD",
            "MYSQL_PASSWORD",
            "MYSQL_REPLICATION_PASSWORD",
            "MARIADB_ROOT_PASSWORD",
            "MARIADB_PASSWORD",
            "MARIADB_REPLICATION_PASSWORD",
        ],
        identity: &["MYSQL_USER", "MYSQL_DATABASE", "MARIADB_USER", "MARIADB_DATABASE"],
    },
    Server {
        images: &["mongo"],
        passwords: &[
            "MONGO_INITDB_ROOT_PASSWORD",
            "MONGODB_ROOT_PASSWORD",
            "MONGODB_PASSWORD",
        ],
        identity: &[
            "MONGO_INITDB_ROOT_USERNAME",
            "MONGO_INITDB_DATABASE",
            "MONGODB_ROOT_USER",
            "MONGODB_USERNAME",
            "MONGODB_DATABASE",
        ],
    },
    Server {
        images: &["redis", "valkey", "keydb", "dragonfly"],
        passwords: &[
            "REDIS_PASSWORD",
            "REDIS_MASTER_PASSWORD",
            "VALKEY_PASSWORD",
            "VALKEY_PRIMARY_PASSWORD",
        ],
        identity: &["REDIS_USERNAME"],
    },
    Server {
        images: &["rabbitmq"],
        passwords: &[
            "RABBITMQ_DEFAULT_PASS",
            "RABBITMQ_PASSWORD",
            "RABBITMQ_ERLANG_COOKIE",
        ],
        identity: &[
            "RABBITMQ_DEFAULT_USER",
            "RABBITMQ_USERNAME",
            "RABBITMQ_DEFAULT_VHOST",
        ],
    },
    Server {
        images: &["minio"],
        passwords: &["MINIO_ROOT_PASSWORD", "MINIO_SECRET_KEY"],
        identity: &["MINIO_ROOT_USER", "MINIO_ACCESS_KEY"],
    },
    Server {
        images: &["clickhouse", "elasticsearch", "opensearch"],
        passwords: &[
            "CLICKHOUSE_PASSWORD",
            "CLICKHOUSE_ADMIN_PASSWORD",
            "ELASTIC_PASSWORD",
            "OPENSEARCH_INITIAL_ADMIN_PASSWORD",
        ],
        identity: &["CLICKHOUSE_USER", "CLICKHOUSE_DB"],
    },
];

fn of(image: &str) -> Option<&'static Server> {
    let repository = image.split('@').next().unwrap_or_default();
    let last = repository.rsplit('/').next().unwrap_or_default();
    let last = last.split(':').next().unwrap_or_default();
    SERVERS
        .iter()
        .find(|server| server.images.iter().any(|word| last.contains(word)))
}

/// What servers like the one in `image` are called.
pub(super) fn words(image: &str) -> impl Iterator<Item = &'static str> {
    of(image)
        .into_iter()
        .flat_map(|server| server.images.iter().copied())
}

/// Whether the server in `image` takes its password from `variable`.
pub(super) fn is_password(image: &str, variable: &str) -> bool {
    of(image).is_some_and(|server| server.passwords.contains(&variable))
}

/// Whether `variable` tells the server in `image` who connects, which is no secret.
pub(super) fn is_identity(image: &str, variable: &str) -> bool {
    of(image).is_some_and(|server| server.identity.contains(&variable))
}

/// The password that a server in `image` takes as an argument: `--requirepass` of Redis.
pub(super) fn password_argument<'w>(image: &str, words: &[&'w str]) -> Option<&'w str> {
    let redis = of(image).is_some_and(|server| server.images.contains(&"redis"));
    let at = words.iter().position(|word| *word == "--requirepass")?;
    words.get(at + 1).copied().filter(|_| redis)
}
