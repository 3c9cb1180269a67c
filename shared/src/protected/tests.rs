use super::*;
use crate::services::Service;

fn services() -> Services {
    let mut services = Services::default();
    let plain = |ip: &str| Service {
        cluster_ips: vec![ip.parse().unwrap()],
        external_name: None,
    };
    let alias = |name: &str| Service {
        cluster_ips: vec![],
        external_name: Some(name.to_owned()),
    };
    services.put("shop", "db", plain("10.96.0.12"));
    services.put("shop", "six", plain("fd00::12"));
    services.put("other", "far", alias("db.shop.svc.cluster.local"));
    services.put("shop-pr-7", "db", alias("far.other"));
    services.put("shop-pr-7", "api", plain("10.96.0.99"));
    services.put("shop-pr-7", "loop", alias("loop.shop-pr-7.svc"));
    services
}

fn protected() -> Protected {
    let strict: PreviewPolicySpec = serde_json::from_value(serde_json::json!({
        "protected": { "namespaces": ["production"], "hosts": ["*.prod.example.com", "mail.example.com"] }
    }))
    .unwrap();
    Protected::new(
        ["shop".to_owned()],
        [&PreviewPolicySpec::default(), &strict],
        &services(),
    )
}

#[test]
fn protection_is_the_union_over_all_policies() {
    // C25
    let protected = protected();
    for host in [
        "db.shop",
        "db.production.svc",
        "x.prod.example.com",
        "MAIL.example.com.",
    ] {
        assert!(protected.why(host).is_some(), "{host}");
    }
    for host in [
        "example.com",
        "prod.example.com",
        "xprod.example.com",
        "10.96.0.99",
    ] {
        assert_eq!(protected.why(host), None, "{host}");
    }
}

#[test]
fn an_address_of_a_protected_service_is_out_of_bounds_in_every_spelling() {
    let (protected, services) = (protected(), services());
    let bounds = Bounds::of(&protected, &services, "shop-pr-7");
    for text in [
        "10.96.0.12",
        "http://10.96.0.12:80/",
        "http://174063628/",
        "http://0x0a60000c:80",
        "postgres://u:p@[fd00::12]:5432/x",
        "fd00:0:0::12",
        "see ::ffff:10.96.0.12",
    ] {
        assert!(bounds.reached(text, Place::Value).is_some(), "{text}");
    }
    for text in ["10.96.0.99", "10.96.0.121", "110.96.0.12", "fd00::123", "5432"] {
        assert_eq!(bounds.reached(text, Place::Value), None, "{text}");
    }
}

#[test]
fn an_alias_leads_where_it_leads_and_a_bare_name_is_the_previews_own() {
    let (protected, services) = (protected(), services());
    let bounds = Bounds::of(&protected, &services, "shop-pr-7");
    for text in [
        "db",
        "postgres://u:p@db/shop",
        "DB:5432",
        "far.other.svc",
        "http://db.shop-pr-7/",
        "--host=db",
    ] {
        assert!(bounds.reached(text, Place::Value).is_some(), "{text}");
    }
    for text in ["api", "http://api:80", "db2", "mydb"] {
        assert_eq!(bounds.reached(text, Place::Value), None, "{text}");
    }
    assert!(bounds.why("loop").is_some(), "aliases in a ring end");
    let elsewhere = Bounds::of(&protected, &services, "shop-pr-8");
    assert_eq!(elsewhere.reached("db", Place::Value), None);
}

#[test]
fn a_file_is_full_of_dotted_names_that_are_no_hosts() {
    let (protected, services) = (protected(), services());
    let bounds = Bounds::of(&protected, &services, "shop-pr-7");
    for text in [
        "url: jdbc:postgresql://x.shop/y",
        "host = db.shop",
        "proxy_pass http://web.shop;",
        "server web.shop:80;",
        "web.shop.svc.cluster.local",
        "smtp=mail.example.com",
    ] {
        assert!(bounds.reached(text, Place::File).is_some(), "{text}");
    }
    for text in [
        "logger.com.acme.shop=debug",
        "import org.shop",
        "spring.application.name: shop",
    ] {
        assert_eq!(bounds.reached(text, Place::File), None, "{text}");
    }
}

#[test]
fn a_golden_does_not_own_every_word_that_ends_in_its_name() {
    let (protected, services) = (protected(), services());
    let bounds = Bounds::of(&protected, &services, "shop-pr-7");
    for text in [
        "-Dlogging.level.com.acme.shop=DEBUG",
        "myproject.shop:app",
        "config.settings.shop",
        "https://myproj.vercel.shop/api",
        "/var/log/web.shop",
        "com.acme.shop",
    ] {
        assert_eq!(bounds.reached(text, Place::Value), None, "{text}");
    }
    for text in [
        "web.shop",
        "http://web.shop/",
        "web.shop:80",
        "http://db-0.db.shop:5432",
        "x db.shop y",
        "a.b.shop.svc",
    ] {
        assert!(bounds.reached(text, Place::Value).is_some(), "{text}");
    }
}

#[test]
fn a_host_in_a_path_or_a_password_is_only_a_word() {
    // A17
    let (protected, services) = (protected(), services());
    let bounds = Bounds::of(&protected, &services, "shop-pr-7");
    for text in [
        "postgres://u:db.shop@api:5432/shop",
        "http://api/db.shop/orders",
        "https://x:mail.example.com@cdn.example.org/mail.example.com?page=2",
    ] {
        assert_eq!(bounds.reached(text, Place::Value), None, "{text}");
    }
    for text in [
        "postgres://u:p@db.shop/x",
        "http://api/?host=db.shop",
        "postgres://u:pa/ss@db.shop/x",
        "postgres://u:p#x@db.shop/x",
        "http://evil\\@db.shop/",
        "http://api/x http://db.shop/",
    ] {
        assert!(bounds.reached(text, Place::Value).is_some(), "{text}");
    }
}

#[test]
fn lines_options_and_odd_letters_hide_no_host() {
    let (protected, services) = (protected(), services());
    let bounds = Bounds::of(&protected, &services, "shop-pr-7");
    for text in [
        "host = x.prod.example.com\nport = 5432",
        "host=db.shop\nport=5432",
        "psql -hmail.example.com -U x",
        "-hdb.shop",
        "http://db.sh\u{ad}op/",
        "http://db.\u{17f}hop/",
        "http://db.\u{24e2}hop/",
    ] {
        for place in [Place::Value, Place::File] {
            assert!(bounds.reached(text, place).is_some(), "{text:?} {place:?}");
        }
    }
}

#[test]
fn the_kind_of_a_connection_that_no_provider_branches_is_said() {
    let (protected, services) = (protected(), services());
    let bounds = Bounds::of(&protected, &services, "shop-pr-7");
    for (text, kind) in [
        ("mysql://u:p@db.shop/shop", "MySQL"),
        ("jdbc:mysql://db.shop/shop", "MySQL"),
        ("redis://:p@cache.shop:6379/0", "Redis"),
        ("mongodb+srv://db.shop/x", "MongoDB"),
        ("amqp://u:p@mq.shop", "AMQP"),
        ("mysql+pymysql://db.shop/x", "MySQL"),
    ] {
        let (_, why) = bounds.reached(text, Place::Value).unwrap();
        assert!(
            why.ends_with(&format!("no provider can branch {kind}")),
            "{text}: {why}"
        );
    }
}

#[test]
fn a_search_domain_may_not_lead_into_a_protected_namespace() {
    let protected = protected();
    for domain in [
        "db.shop.svc.cluster.local",
        "shop.svc.cluster.local",
        "shop.svc",
        "shop",
        "SHOP.svc.cluster.local.",
        "prod.example.com",
        "example.com",
    ] {
        assert!(protected.why_search(domain).is_some(), "{domain}");
    }
    for domain in [
        "shop-pr-7.svc.cluster.local",
        "svc.cluster.local",
        "cluster.local",
        "shop.example.org",
    ] {
        assert_eq!(protected.why_search(domain), None, "{domain}");
    }
}
