//! The names that a module defines, imports and uses.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, ImplItem, Item, ItemMod, ItemUse, Macro, Path, UseTree, Visibility,
    visit::{self, Visit},
};

/// One name that a `use` brings in.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    /// `None` for all names of a module.
    pub(crate) name: Option<String>,
    pub(crate) path: Vec<String>,
    /// Whether it is there for others (`pub use`).
    pub(crate) is_export: bool,
}

/// The names of one module. Its child modules and what exists in test builds only are left out.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) items: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    /// Paths in the code as they are written.
    pub(crate) paths: BTreeSet<Vec<String>>,
}

impl Names {
    pub(crate) fn of(items: &[Item]) -> Self {
        let mut names = Self::default();
        for item in items {
            names.visit_item(item);
        }
        let defined = items.iter().filter(|item| !is_for_tests(attributes(item)));
        names.items.extend(defined.filter_map(name));
        names
    }

    fn import(&mut self, tree: &UseTree, mut path: Vec<String>, is_export: bool) {
        let name = match tree {
            UseTree::Path(next) => {
                path.push(next.ident.to_string());
                return self.import(&next.tree, path, is_export);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, path.clone(), is_export);
                }
                return;
            }
            UseTree::Glob(_) => None,
            UseTree::Name(last) if last.ident == "self" => path.last().cloned(),
            UseTree::Name(last) => {
                path.push(last.ident.to_string());
                path.last().cloned()
            }
            UseTree::Rename(last) => {
                if last.ident != "self" {
                    path.push(last.ident.to_string());
                }
                Some(last.rename.to_string())
            }
        };
        self.imports.push(Import { name, path, is_export });
    }

    /// Paths inside of a macro call, whose grammar only the macro knows: names joined by `::`. A
    /// single name is left out, because it is a local variable as a rule.
    fn scan(&mut self, tokens: TokenStream) {
        let (mut path, mut colons) = (Vec::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.note(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                other => {
                    self.note(std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.scan(group.stream());
                    }
                }
            }
        }
        self.note(path);
    }

    fn note(&mut self, path: Vec<String>) {
        if path.len() > 1 {
            self.paths.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let for_tests = matches!(item, ImplItem::Fn(function) if is_for_tests(&function.attrs));
        if !for_tests {
            visit::visit_impl_item(self, item);
        }
    }

    /// A module that is written inside of a file is read separately.
    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_export = !matches!(item.vis, Visibility::Inherited);
        self.import(&item.tree, Vec::new(), is_export);
    }

    fn visit_path(&mut self, path: &'ast Path) {
        self.paths
            .insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        self.scan(call.tokens.clone());
    }

    /// Attributes say how to build an item, not what it uses.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

/// Whether an item exists in test builds only.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let tokens = attribute.meta.require_list().map(|list| list.tokens.to_string());
        let tokens = tokens.unwrap_or_default();
        let mut words = tokens.split(|c: char| !c.is_alphanumeric() && c != '_');
        let in_tests_only = !tokens.contains("not") && words.any(|word| word == "test");
        attribute.path().is_ident("test") || (attribute.path().is_ident("cfg") && in_tests_only)
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}
