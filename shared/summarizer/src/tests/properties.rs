use proptest::prelude::*;

use super::{super::*, options};

const ARTICLE: &str = include_str!("../../../../infra/local/demo/article.txt");

fn holds(text: &str, options: &Options<'_>) -> Result<(), TestCaseError> {
    let summary = match summarize(text, options) {
        Ok(summary) => summary,
        Err(NoSummary::Blank) => {
            prop_assert!(!outside_markup(text).contains(char::is_alphanumeric) || options.markdown);
            return Ok(());
        }
        Err(NoSummary::OnlyCode) => return Ok(()),
        Err(NoSummary::Stopped) => return Err(TestCaseError::fail("nobody stopped the engine")),
    };
    let characters: Vec<char> = text.chars().collect();
    for Sentence { text, score } in &summary.sentences {
        let source: String = characters[score.offset..score.offset + score.length].iter().collect();
        prop_assert_eq!(text, &source);
    }
    let in_order = |a: &Score, b: &Score| match options.sort {
        Sort::Position => a.offset < b.offset,
        Sort::Rank => a.rank < b.rank,
    };
    prop_assert!(summary.sentences.windows(2).all(|pair| in_order(&pair[0].score, &pair[1].score)));
    if let Some(scores) = &summary.scores {
        prop_assert_eq!(scores.len(), summary.input.sentences);
        prop_assert!(scores.iter().all(|score| score.score.is_finite() && score.rank <= scores.len()));
    }
    if let Some(keywords) = &summary.keywords {
        prop_assert!(keywords.len() <= KEYWORDS && keywords.iter().all(|word| word.contains(char::is_alphabetic)));
    }
    let output = summary.output;
    prop_assert_eq!(output.characters, summary.text.chars().count());
    match options.budget {
        Budget::Sentences(n) => prop_assert!(output.sentences <= n as usize),
        Budget::Words(n) => prop_assert!(output.words <= n as usize),
        Budget::Characters(n) => prop_assert!(output.characters <= n as usize),
        Budget::Ratio(r) => prop_assert!(words::real(output.characters) <= r * words::real(summary.input.characters)),
    }
    prop_assert_eq!(summarize(text, options), Ok(summary));
    Ok(())
}

/// The text without entities, tags and the targets of its links.
fn outside_markup(text: &str) -> String {
    [("&", ";"), ("<", ">"), ("](", ")")]
        .iter()
        .fold(text.to_owned(), |mut text, (open, close)| {
            while let Some(start) = text.find(open)
                && let Some(length) = text[start..].find(close)
            {
                text.replace_range(start..start + length + close.len(), " ");
            }
            text
        })
}

fn budgets() -> impl Strategy<Value = Budget> {
    prop_oneof![
        (1u32..10).prop_map(Budget::Sentences),
        (1u32..60).prop_map(Budget::Words),
        (1u32..400).prop_map(Budget::Characters),
        (0.01f64..=1.0).prop_map(Budget::Ratio),
    ]
}

/// Pieces of text that make the structure of a document.
const MARKS: &str = "(# |## |- |\\* |[0-9]\\. |> |```|\\| |    |Ann: |\\*\\*|\\[|\\]\\(|\\)|&amp;|<b>|\n|\r\n|\n\n|: |\\. |\\? |\"|“|”|«|。|[A-Za-z]{1,8} |é|ж|大|\u{301}|\u{200b})";

proptest! {
    #[test]
    fn broken_structure_is_summarised_within_its_budget(
        pieces in proptest::collection::vec(MARKS, 1..60),
        budget in budgets(),
        flags in any::<[bool; 4]>(),
        focus in proptest::option::of("[a-z]{1,6}( [a-z]{1,6})?"),
        language in proptest::option::of(proptest::sample::select(vec!["en", "fr", "de", "zh", "ja", "th", "ar", "xx"])),
    ) {
        let [markdown, keywords, scores, ranked] = flags;
        let sort = if ranked { Sort::Rank } else { Sort::Position };
        holds(&pieces.concat(), &Options { budget, sort, language, focus: focus.as_deref(), markdown, keywords, scores })?;
    }

    #[test]
    fn any_unicode_is_summarised_within_its_budget(text in "\\PC*", budget in budgets(), markdown: bool) {
        holds(&text, &Options { budget, markdown, ..Options::default() })?;
    }

    #[test]
    fn prose_is_summarised_within_its_budget(
        text in proptest::collection::vec("([A-Z][a-z]{2,8}( [a-z]{1,9}){2,14}[.!?]|# [A-Z][a-z]+|- [a-z]+ [a-z]+)(\n\n|\r\n| |\n)", 1..40),
        budget in budgets(),
    ) {
        holds(&text.concat(), &options(budget))?;
    }
}

#[test]
fn the_demo_article_in_three_sentences() {
    let summary = summarize(
        ARTICLE,
        &Options {
            keywords: true,
            ..Options::default()
        },
    )
    .unwrap();
    insta::assert_json_snapshot!(summary);
}

#[test]
fn every_sentence_is_scored_on_request() {
    let summary = summarize(
        ARTICLE,
        &Options {
            scores: true,
            ..Options::default()
        },
    )
    .unwrap();
    let scores = summary.scores.unwrap();
    assert_eq!(scores.len(), summary.input.sentences);
    let mut ranks: Vec<_> = scores.iter().map(|score| score.rank).collect();
    ranks.sort_unstable();
    assert!(ranks.into_iter().eq(1..=scores.len()));
}
