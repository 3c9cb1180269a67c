//! Changes to JSON that keep it JSON: the bytes of a review are mutated as a tree, or nearly all of them would only test
//! the parser.

use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Value, json};

/// Numbers from a seed (SplitMix64): the same seed must make the same change.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % below.max(1) as u64).unwrap_or_default()
    }

    fn pick<'w>(&mut self, words: &[&'w str]) -> &'w str {
        words[self.roll(words.len())]
    }
}

/// Mutates `data[..size]` in place and returns the new size. `words` are what keys and strings are likely to be.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32, words: &[&str]) -> usize {
    let mut dice = Dice(u64::from(seed));
    let tree = serde_json::from_slice::<Value>(&data[..size]);
    let Ok(mut tree) = tree else {
        return fuzzer_mutate(data, size, max_size);
    };
    if dice.roll(10) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    for _ in 0..=dice.roll(3) {
        change(&mut tree, &mut dice, words);
    }
    let text = tree.to_string();
    if text.len() > max_size {
        return fuzzer_mutate(data, size, max_size);
    }
    data[..text.len()].copy_from_slice(text.as_bytes());
    text.len()
}

fn change(tree: &mut Value, dice: &mut Dice, words: &[&str]) {
    let mut pointers = Vec::new();
    collect(tree, &mut String::new(), &mut pointers);
    let at = pointers[dice.roll(pointers.len())].clone();
    let donor = pointers[dice.roll(pointers.len())].clone();
    let other = tree.pointer(&donor).cloned().unwrap_or_default();
    let Some(node) = tree.pointer_mut(&at) else { return };
    match (dice.roll(6), &mut *node) {
        (0, _) => *node = anything(dice, words),
        (1, _) => *node = other,
        (2..=3, Value::Object(fields)) => {
            let key = match fields.keys().nth(dice.roll(fields.len() * 2)) {
                Some(key) => key.clone(),
                None => dice.pick(words).to_owned(),
            };
            if dice.roll(3) == 0 {
                fields.remove(&key);
            } else {
                let value = if dice.roll(2) == 0 {
                    other
                } else {
                    anything(dice, words)
                };
                fields.insert(key, value);
            }
        }
        (4, Value::Object(fields)) => {
            let old = fields.keys().nth(dice.roll(fields.len())).cloned();
            if let Some(value) = old.and_then(|old| fields.remove(&old)) {
                fields.insert(dice.pick(words).to_owned(), value);
            }
        }
        (2..=4, Value::Array(items)) if items.len() < 64 => {
            let value = if items.is_empty() || dice.roll(3) == 0 {
                other
            } else {
                items[dice.roll(items.len())].clone()
            };
            items.insert(dice.roll(items.len() + 1), value);
        }
        (5, Value::Array(items)) if !items.is_empty() => {
            items.remove(dice.roll(items.len()));
        }
        (_, Value::String(text)) => *text = said(text, dice, words),
        (_, Value::Number(number)) => {
            let by = [-1, 1, 1000, 65_536, -2_147_483_648][dice.roll(5)];
            *node = json!(number.as_i64().unwrap_or_default().wrapping_add(by));
        }
        _ => {}
    }
}

fn collect(value: &Value, path: &mut String, found: &mut Vec<String>) {
    found.push(path.clone());
    let length = path.len();
    let mut inner = |token: &str, value: &Value| {
        path.push('/');
        path.push_str(&token.replace('~', "~0").replace('/', "~1"));
        collect(value, path, found);
        path.truncate(length);
    };
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(at, item)| inner(&at.to_string(), item)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| inner(key, value)),
        _ => {}
    }
}

fn anything(dice: &mut Dice, words: &[&str]) -> Value {
    match dice.roll(12) {
        0 => Value::Null,
        1 => json!({}),
        2 => json!([]),
        3 => json!(dice.roll(2) == 0),
        4 => json!([0, 1, -1, 53, 5432, 65_536][dice.roll(6)]),
        5 => json!({ dice.pick(words): dice.pick(words) }),
        6 => json!([dice.pick(words)]),
        7 => json!({ "name": dice.pick(words), "value": dice.pick(words) }),
        _ => json!(dice.pick(words)),
    }
}

/// Another text: a word, a word put into it, a piece cut out, or bytes changed as the engine does.
fn said(text: &str, dice: &mut Dice, words: &[&str]) -> String {
    let boundary = |at: usize| {
        (0..=at.min(text.len()))
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or_default()
    };
    let (a, b) = (
        boundary(dice.roll(text.len() + 1)),
        boundary(dice.roll(text.len() + 1)),
    );
    match dice.roll(5) {
        0 => dice.pick(words).to_owned(),
        1 | 2 => format!("{}{}{}", &text[..a], dice.pick(words), &text[a..]),
        3 => format!("{}{}", &text[..a.min(b)], &text[a.max(b)..]),
        _ => {
            let mut bytes = text.as_bytes().to_vec();
            let room = bytes.len() + 16;
            bytes.resize(room, 0);
            let size = fuzzer_mutate(&mut bytes, text.len(), room);
            String::from_utf8_lossy(&bytes[..size]).into_owned()
        }
    }
}
