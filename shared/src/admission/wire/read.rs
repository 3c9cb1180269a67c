//! A request as it is read, the objects only where a rule speaks of them.
//!
//! The API server says what its objects are before they come (the order of `AdmissionReview` and `AdmissionRequest` in
//! `k8s.io/api/admission/v1`), so that one look at the bytes is enough, and no further than to the objects where they are
//! none of ours. Nobody has to keep to that order: without it everything is looked at, and what turns out to be needed after
//! it was passed over is read by a second look.

use super::super::rules::RULES;
use super::super::{Operation, Request, User};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::fmt;

/// A review, as far as it was read.
#[derive(Default)]
pub(super) struct Read {
    pub api_version: Option<String>,
    pub request: Option<Request>,
    /// Whether an object was passed over that a rule speaks of.
    pub is_lacking: bool,
}

/// Reads a review; with `all` its objects, whatever they are.
pub(super) fn read(bytes: &[u8], all: bool) -> serde_json::Result<Read> {
    let mut read = Read::default();
    let mut enough = false;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let review = Review {
        read: &mut read,
        enough: &mut enough,
        all,
    };
    match review.deserialize(&mut deserializer) {
        // There is no other way out of the middle of a value.
        Err(_) if enough => {}
        done => done.and_then(|()| deserializer.end())?,
    }
    Ok(read)
}

struct Review<'r> {
    read: &'r mut Read,
    enough: &'r mut bool,
    all: bool,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Part {
    ApiVersion,
    Request,
    #[serde(other)]
    Other,
}

impl<'de> DeserializeSeed<'de> for Review<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Review<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a review")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let read = self.read;
        while let Some(part) = map.next_key()? {
            match part {
                Part::ApiVersion if read.api_version.is_some() => {
                    return Err(A::Error::duplicate_field("apiVersion"));
                }
                Part::ApiVersion => read.api_version = Some(map.next_value()?),
                Part::Request if read.request.is_some() => return Err(A::Error::duplicate_field("request")),
                Part::Request => map.next_value_seed(Reader {
                    read,
                    enough: self.enough,
                    all: self.all,
                })?,
                Part::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
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

struct Reader<'r> {
    read: &'r mut Read,
    enough: &'r mut bool,
    all: bool,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut request = nothing();
        let (mut object, mut old_object) = (Value::Null, Value::Null);
        let (mut seen, mut spoken_of, mut passed_over) = (Vec::new(), None, false);
        while let Some(field) = map.next_key()? {
            if field != Field::Other && seen.contains(&field) {
                return Err(A::Error::custom(format_args!("{field:?} stands there twice")));
            }
            // These two come last before the objects.
            let is_in_order = seen.ends_with(&[Field::Operation, Field::UserInfo]);
            seen.push(field);
            let is_wanted = match field {
                Field::Object | Field::OldObject => {
                    self.all || *spoken_of.get_or_insert_with(|| is_spoken_of(&mut request))
                }
                Field::Other => false,
                _ => {
                    spoken_of = None;
                    true
                }
            };
            if !is_wanted
                && is_in_order
                && field != Field::Other
                && is_named(&seen)
                && self.read.api_version.is_some()
            {
                self.read.request = Some(request);
                *self.enough = true;
                return Err(A::Error::custom("the rest is none of ours"));
            }
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
        for (field, name) in NAMING {
            if !seen.contains(&field) {
                return Err(A::Error::missing_field(name));
            }
        }
        let is_spoken_of = spoken_of.unwrap_or_else(|| is_spoken_of(&mut request));
        if is_spoken_of {
            (request.object, request.old_object) = (object, old_object);
        }
        self.read.is_lacking = passed_over && is_spoken_of;
        self.read.request = Some(request);
        Ok(())
    }
}

/// What no request may lack.
const NAMING: [(Field, &str); 3] = [
    (Field::Uid, "uid"),
    (Field::Resource, "resource"),
    (Field::Operation, "operation"),
];

fn is_named(seen: &[Field]) -> bool {
    NAMING.iter().all(|(field, _)| seen.contains(field))
}

fn or_default<'de, A: MapAccess<'de>, T: Deserialize<'de> + Default>(map: &mut A) -> Result<T, A::Error> {
    Ok(map.next_value::<Option<T>>()?.unwrap_or_default())
}

/// Whether a rule speaks of what `request` is about. What happens to a namespace depends on its labels, all else on the
/// resource and the operation alone; but for the mark of an exemption, which may come later to what is reviewed when it is
/// made.
fn is_spoken_of(request: &mut Request) -> bool {
    let applies = |request: &Request| RULES.iter().any(|rule| (rule.applies)(request));
    if request.is_namespace() || applies(request) {
        return true;
    }
    if request.operation != Operation::Update {
        return false;
    }
    request.operation = Operation::Create;
    let is_reviewed_at_birth = applies(request);
    request.operation = Operation::Update;
    is_reviewed_at_birth
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
