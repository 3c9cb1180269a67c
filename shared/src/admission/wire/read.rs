//! A request as it is read, the objects only where a rule speaks of them.
//!
//! The API server says what its objects are before they come, so that one look at the bytes is enough. Nobody has to keep to
//! that order: what turns out to be needed after it was passed over is read by a second look.

use super::super::rules::RULES;
use super::super::{Operation, Request, User};
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::fmt;

/// A request; `ALL` has its objects read whatever they are.
pub(super) struct Read<const ALL: bool> {
    pub request: Request,
    /// Whether an object was passed over that a rule speaks of.
    pub is_lacking: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Field {
    Uid,
    Kind,
    Resource,
    SubResource,
    Name,
    Namespace,
    Operation,
    UserInfo,
    Object,
    OldObject,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    group: String,
    resource: String,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    kind: String,
}

impl<'de, const ALL: bool> Deserialize<'de> for Read<ALL> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader::<ALL>)
    }
}

struct Reader<const ALL: bool>;

impl<'de, const ALL: bool> Visitor<'de> for Reader<ALL> {
    type Value = Read<ALL>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read<ALL>, A::Error> {
        let mut request = nothing();
        let (mut object, mut old_object) = (Value::Null, Value::Null);
        let (mut seen, mut spoken_of, mut passed_over) = (Vec::new(), None, false);
        while let Some(field) = map.next_key()? {
            if field != Field::Other && seen.contains(&field) {
                return Err(A::Error::custom(format_args!("{field:?} stands there twice")));
            }
            seen.push(field);
            let is_wanted = match field {
                Field::Object | Field::OldObject => {
                    ALL || *spoken_of.get_or_insert_with(|| is_spoken_of(&request))
                }
                Field::Other => false,
                _ => {
                    spoken_of = None;
                    true
                }
            };
            if !is_wanted {
                map.next_value::<IgnoredAny>()?;
                passed_over |= field != Field::Other;
                continue;
            }
            match field {
                Field::Uid => request.uid = map.next_value()?,
                Field::Kind => request.kind = map.next_value::<Kind>()?.kind,
                Field::Resource => {
                    Resource {
                        group: request.group,
                        resource: request.resource,
                    } = map.next_value()?;
                }
                Field::SubResource => request.sub_resource = or_default(&mut map)?,
                Field::Name => request.name = or_default(&mut map)?,
                Field::Namespace => request.namespace = or_default(&mut map)?,
                Field::Operation => request.operation = map.next_value()?,
                Field::UserInfo => request.user = or_default(&mut map)?,
                Field::Object => object = map.next_value()?,
                Field::OldObject => old_object = map.next_value()?,
                Field::Other => {}
            }
        }
        for (field, name) in [
            (Field::Uid, "uid"),
            (Field::Resource, "resource"),
            (Field::Operation, "operation"),
        ] {
            if !seen.contains(&field) {
                return Err(A::Error::missing_field(name));
            }
        }
        let is_spoken_of = spoken_of.unwrap_or_else(|| is_spoken_of(&request));
        if is_spoken_of {
            (request.object, request.old_object) = (object, old_object);
        }
        Ok(Read {
            request,
            is_lacking: passed_over && is_spoken_of,
        })
    }
}

fn or_default<'de, A: MapAccess<'de>, T: Deserialize<'de> + Default>(map: &mut A) -> Result<T, A::Error> {
    Ok(map.next_value::<Option<T>>()?.unwrap_or_default())
}

/// Whether a rule speaks of what `request` is about. What happens to a namespace depends on its labels, all else on the
/// resource and the operation alone.
fn is_spoken_of(request: &Request) -> bool {
    request.is_namespace() || RULES.iter().any(|rule| (rule.applies)(request))
}

fn nothing() -> Request {
    Request {
        uid: String::new(),
        kind: String::new(),
        group: String::new(),
        resource: String::new(),
        sub_resource: String::new(),
        name: String::new(),
        namespace: String::new(),
        operation: Operation::Connect,
        user: User::default(),
        object: Value::Null,
        old_object: Value::Null,
    }
}
