//! One change of an object, carried out here as the API server will carry it out.
//!
//! Not by `json_patch`, which would read again every pointer that was just put together. It is what this is held against: in
//! every build with debug assertions, the patch of each decision is applied by it to what came, and compared.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::Value;

/// What is done at a place.
pub(super) enum Change {
    /// A key is set, or an element inserted before an index (`-` for the end).
    Add(Value),
    /// What is there is replaced.
    Replace(Value),
    /// What is there is taken away.
    Remove,
}

impl Change {
    /// Carries it out at `path` of `object`; `None` where there is no such place, and then nothing is changed.
    pub fn apply(&self, object: &mut Value, path: &[&str]) -> Option<()> {
        let (last, parents) = path.split_last()?;
        let mut parents = parents.iter();
        let parent = parents.try_fold(object, |value, token| match value {
            Value::Array(items) => items.get_mut(token.parse::<usize>().ok()?),
            value => value.get_mut(*token),
        })?;
        match (parent, self) {
            (Value::Object(fields), Change::Add(value)) => {
                fields.insert((*last).to_owned(), value.clone());
            }
            (Value::Object(fields), Change::Replace(value)) => fields.get_mut(*last)?.clone_from(value),
            (Value::Object(fields), Change::Remove) => drop(fields.remove(*last)?),
            (Value::Array(items), Change::Add(value)) => {
                let index = match *last {
                    "-" => items.len(),
                    index => index.parse().ok().filter(|index| *index <= items.len())?,
                };
                items.insert(index, value.clone());
            }
            (Value::Array(items), Change::Replace(value)) => {
                items.get_mut(last.parse::<usize>().ok()?)?.clone_from(value);
            }
            (Value::Array(items), Change::Remove) => {
                let index = last.parse().ok().filter(|index| *index < items.len())?;
                items.remove(index);
            }
            _ => return None,
        }
        Some(())
    }

    /// The operation of RFC 6902 that it is.
    pub fn operation(self, path: PointerBuf) -> PatchOperation {
        match self {
            Change::Add(value) => PatchOperation::Add(AddOperation { path, value }),
            Change::Replace(value) => PatchOperation::Replace(ReplaceOperation { path, value }),
            Change::Remove => PatchOperation::Remove(RemoveOperation { path }),
        }
    }
}

/// What stands at `path`.
pub(super) fn at<'v>(object: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(object, |value, token| match value {
        Value::Array(items) => items.get(token.parse::<usize>().ok()?),
        _ => value.get(token),
    })
}
