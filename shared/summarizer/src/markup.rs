//! Reads the blocks of Markdown, with `pulldown-cmark`.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{
    block::{Block, Kind, Structure},
    shown::{Shown, without_long_runs},
    steps::Steps,
    summary::NoSummary,
};

/// Reads the structure of Markdown.
pub(super) fn markdown(text: &str, steps: &Steps<'_>) -> Result<Structure, NoSummary> {
    let text = without_long_runs(text);
    let mut structure = Structure::default();
    let mut open: Option<(Kind, Shown)> = None;
    let (mut paragraph, mut items, mut skipped) = (0, 0usize, 0usize);
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    for (event, range) in Parser::new_ext(&text, options).into_offset_iter() {
        steps.next()?;
        match &event {
            Event::Start(Tag::CodeBlock(_) | Tag::Table(_) | Tag::MetadataBlock(_) | Tag::Image { .. }) => {
                structure.has_code |= !matches!(event, Event::Start(Tag::Image { .. }));
                skipped += 1;
            }
            Event::End(TagEnd::CodeBlock | TagEnd::Table | TagEnd::MetadataBlock(_) | TagEnd::Image) => skipped = skipped.saturating_sub(1),
            _ if skipped > 0 => {}
            Event::Start(Tag::Paragraph | Tag::Heading { .. } | Tag::Item) => {
                close(&mut structure, open.take(), paragraph);
                items += usize::from(matches!(event, Event::Start(Tag::Item)));
                let kind = match &event {
                    Event::Start(Tag::Heading { .. }) => Kind::Heading,
                    _ if items > 0 => Kind::Item,
                    _ => Kind::Prose,
                };
                open = Some((kind, Shown::default()));
            }
            Event::End(TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::Item) => {
                close(&mut structure, open.take(), paragraph);
                items -= usize::from(matches!(event, Event::End(TagEnd::Item)));
                paragraph += usize::from(items == 0);
            }
            Event::Start(Tag::List(_)) => close(&mut structure, open.take(), paragraph),
            event => {
                if let Some((_, shown)) = &mut open {
                    shown.add(&text, event, range);
                }
            }
        }
    }
    Ok(structure)
}

fn close(structure: &mut Structure, open: Option<(Kind, Shown)>, paragraph: usize) {
    let Some((kind, shown)) = open else { return };
    let Some(source) = shown.source() else { return };
    structure.blocks.push(Block {
        kind,
        source,
        paragraph,
        shown: Some(shown),
    });
}
