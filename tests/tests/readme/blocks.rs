//! The fenced blocks of a page, and what one of them says that another prints.

use anyhow::{Result, ensure};

/// A fenced block.
#[derive(Debug)]
pub struct Block {
    pub language: String,
    pub line: usize,
    pub text: String,
}

/// Every block of `page`, from top to bottom.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for (number, line) in page.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(language) => {
                inside = true;
                blocks.push(Block {
                    language: language.to_owned(),
                    line: number + 2,
                    text: String::new(),
                });
            }
            None if inside => {
                let block = blocks.last_mut().expect("a fence was opened");
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    blocks
}

/// Each line of `wanted` stands in `said`, in this order, however many blanks there are.
pub fn expect(wanted: &str, said: &str) -> Result<()> {
    let squeeze = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = said.lines().map(squeeze);
    for wanted in wanted.lines().map(squeeze) {
        let found = lines.any(|line| {
            let mut rest = line.as_str();
            wanted
                .split('…')
                .map(str::trim)
                .all(|piece| match rest.find(piece) {
                    Some(at) => {
                        rest = &rest[at + piece.len()..];
                        true
                    }
                    None => false,
                })
        });
        ensure!(
            found,
            "{wanted:?} is not in, or not after what stands before it:\n{said}"
        );
    }
    Ok(())
}
