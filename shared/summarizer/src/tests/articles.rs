//! Summaries of whole articles of different kinds. The articles were written for this test, and a
//! person has read each summary in the snapshot.

use std::{fmt::Write, fs, path::Path};

use super::super::*;

#[test]
fn summaries_of_whole_articles_read_well() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/data/articles");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 10);
    let mut read = String::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let summary = |budget| {
            let options = Options {
                budget,
                markdown: path.extension().is_some_and(|extension| extension == "md"),
                keywords: true,
                ..Options::default()
            };
            summarize(&text, &options).unwrap()
        };
        let name = path.file_name().unwrap().display();
        let (three, words) = (summary(Budget::Sentences(3)), summary(Budget::Words(40)));
        let sentences = |summary: &Summary| {
            summary
                .sentences
                .iter()
                .map(|sentence| sentence.text.clone())
                .collect::<Vec<_>>()
                .join("\n  | ")
        };
        writeln!(read, "{name} ({})\n3 | {}\n40w {}", three.language, sentences(&three), words.text).unwrap();
        writeln!(read, "key {}\n", three.keywords.unwrap().join(", ")).unwrap();
    }
    insta::assert_snapshot!(read);
}
