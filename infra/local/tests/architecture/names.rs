//! Which file a name comes from, as the compiler would find it.

use std::{collections::BTreeMap, path::Path};

use crate::source::{Module, Target, targets};

/// A module, by the number of its target and its own number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) target: usize,
    module: usize,
}

/// What a path leads to.
#[derive(Debug)]
pub(crate) enum Found {
    Module(Place),
    /// Something defined in a module.
    Item(Place, String),
    /// Something of a crate outside of the workspace, or a name of the language.
    Elsewhere(Vec<String>),
}

/// An arrow goes from a file to a file whose items it uses.
pub(crate) type Arrows<'a> = BTreeMap<(&'a Path, &'a Path), Vec<String>>;

/// How many imports may lead to each other.
const DEPTH: usize = 16;

impl Place {
    pub(crate) fn target(self) -> &'static Target {
        &targets()[self.target]
    }

    pub(crate) fn module(self) -> &'static Module {
        &self.target().modules[self.module]
    }

    fn at(self, module: usize) -> Self {
        Self { module, ..self }
    }
}

/// All modules.
pub(crate) fn places() -> impl Iterator<Item = Place> {
    targets()
        .iter()
        .enumerate()
        .flat_map(|(target, of)| (0..of.modules.len()).map(move |module| Place { target, module }))
}

/// The arrows between our files: from modules of these targets, to any module.
///
/// `mod x;` makes no arrow, and a re-export makes none. A file that uses a re-exported name has an
/// arrow to the file where it is defined.
pub(crate) fn arrows(is_meant: impl Fn(&Target) -> bool) -> Arrows<'static> {
    let mut arrows = Arrows::new();
    for place in places().filter(|place| is_meant(place.target())) {
        for path in used(place) {
            if let Found::Item(owner, name) = resolve(place, path, DEPTH)
                && owner.module().file != place.module().file
            {
                let ends = (place.module().file.as_path(), owner.module().file.as_path());
                let names = arrows.entry(ends).or_default();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
    }
    arrows
}

/// The paths that a module uses: those in its code, and the imports that are for itself.
pub(crate) fn used(place: Place) -> impl Iterator<Item = &'static [String]> {
    let module = place.module();
    let imports = module.imports.iter().filter(|import| !import.is_export);
    let imports = imports.map(|import| import.path.as_slice());
    imports.chain(module.paths.iter().map(Vec::as_slice))
}

/// Follows a path from a module.
pub(crate) fn resolve(from: Place, path: &[String], depth: usize) -> Found {
    let Some((first, rest)) = path.split_first() else {
        return Found::Module(from);
    };
    let depth = depth.saturating_sub(1);
    match first.as_str() {
        _ if depth == 0 => Found::Elsewhere(path.to_vec()),
        "crate" => inside(from.at(0), rest, depth),
        "self" => inside(from, rest, depth),
        "super" => {
            let above = from.at(from.module().parent.unwrap_or(0));
            // `super::super` and so on.
            if rest.first().is_some_and(|next| next == "super") {
                resolve(above, rest, depth)
            } else {
                inside(above, rest, depth)
            }
        }
        _ => known(from, path, depth).unwrap_or_else(|| match library(first) {
            Some(root) => inside(root, rest, depth),
            None => Found::Elsewhere(path.to_vec()),
        }),
    }
}

/// A path below a module. What no `use` and no definition explains is taken for the module's own:
/// a macro made it.
fn inside(place: Place, path: &[String], depth: usize) -> Found {
    match path.first() {
        None => Found::Module(place),
        Some(first) => known(place, path, depth).unwrap_or_else(|| Found::Item(place, first.clone())),
    }
}

/// A path whose first name is defined or imported in this module.
fn known(place: Place, path: &[String], depth: usize) -> Option<Found> {
    let (first, rest) = path.split_first()?;
    let module = place.module();
    if let Some(child) = module.children.get(first) {
        return Some(inside(place.at(*child), rest, depth));
    }
    if module.items.contains(first) {
        return Some(Found::Item(place, first.clone()));
    }
    let follow = |target: &[String]| {
        // `use serde;` imports a crate by its own name.
        let itself = target.first() == Some(first) && target.len() == 1;
        let whole = [target, rest].concat();
        match (itself, library(first)) {
            (true, Some(root)) => inside(root, rest, depth),
            (true, None) => Found::Elsewhere(whole),
            (false, _) => resolve(place, &whole, depth),
        }
    };
    let named = module.imports.iter().find(|import| import.name.as_ref() == Some(first));
    if let Some(import) = named {
        return (depth > 0).then(|| follow(&import.path));
    }
    module
        .imports
        .iter()
        .filter(|import| import.name.is_none() && import.path.first() != Some(first))
        .find_map(|import| match resolve(place, &import.path, depth) {
            Found::Module(all) if all != place && depth > 0 => known(all, path, depth - 1),
            _ => None,
        })
}

/// The root of one of our libraries.
fn library(name: &str) -> Option<Place> {
    let is = |target: &Target| target.library.as_deref() == Some(name);
    targets().iter().position(is).map(|target| Place { target, module: 0 })
}
