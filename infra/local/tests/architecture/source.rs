//! The source files of the workspace as trees of modules.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use cargo_metadata::{CargoOpt, Metadata, MetadataCommand, TargetKind};
use local::checkout::workspace;
use syn::{Attribute, Expr, ExprLit, Item, ItemMod, Lit};

use crate::visit::{Import, Names, is_for_tests};

/// A module of a target. Modules that are written inside of a file have the same file.
pub(crate) struct Module {
    /// The file, from the root of the workspace.
    pub(crate) file: PathBuf,
    pub(crate) parent: Option<usize>,
    pub(crate) children: BTreeMap<String, usize>,
    /// What is defined here.
    pub(crate) items: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    /// Paths in the code of this module, as they are written.
    pub(crate) paths: BTreeSet<Vec<String>>,
}

/// A library, a program, a test, an example or a benchmark.
pub(crate) struct Target {
    /// The name that other crates know it by, if it is a library.
    pub(crate) library: Option<String>,
    /// Whether it is a library or a program.
    pub(crate) is_shipped: bool,
    /// The first one is the root.
    pub(crate) modules: Vec<Module>,
}

/// What cargo says of the workspace.
pub(crate) fn metadata() -> &'static Metadata {
    static METADATA: OnceLock<Metadata> = OnceLock::new();
    METADATA.get_or_init(|| {
        let mut command = MetadataCommand::new();
        command.manifest_path(workspace().join("Cargo.toml"));
        command.features(CargoOpt::AllFeatures);
        command.exec().expect("cargo describes the workspace")
    })
}

/// All targets of all crates of the workspace.
pub(crate) fn targets() -> &'static [Target] {
    static TARGETS: OnceLock<Vec<Target>> = OnceLock::new();
    TARGETS.get_or_init(|| {
        let packages = metadata().workspace_packages();
        let targets = packages.iter().flat_map(|package| &package.targets);
        targets
            .filter(|target| !target.is_kind(TargetKind::CustomBuild))
            .map(|target| {
                let mut modules = Vec::new();
                let file = target.src_path.as_std_path();
                let items = syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap().items;
                read(&mut modules, None, file, file.parent().unwrap(), &items);
                Target {
                    library: target.is_kind(TargetKind::Lib).then(|| target.name.replace('-', "_")),
                    is_shipped: target.is_kind(TargetKind::Lib) || target.is_kind(TargetKind::Bin),
                    modules,
                }
            })
            .collect()
    })
}

/// Adds a module and all below it; returns its number. `folder` is where its child modules are.
fn read(modules: &mut Vec<Module>, parent: Option<usize>, file: &Path, folder: &Path, items: &[Item]) -> usize {
    let names = Names::of(items);
    let number = modules.len();
    modules.push(Module {
        file: file.strip_prefix(workspace()).unwrap_or(file).to_owned(),
        parent,
        children: BTreeMap::new(),
        items: names.items,
        imports: names.imports,
        paths: names.paths,
    });
    for item in items {
        if let Item::Mod(child) = item
            && !is_for_tests(&child.attrs)
        {
            let name = child.ident.to_string();
            let added = read_child(modules, number, file, folder, child);
            modules[number].children.insert(name, added);
        }
    }
    number
}

/// The path in `#[path = "…"]`.
fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    match &value.meta.require_name_value().ok()?.value {
        Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) => Some(path.value()),
        _ => None,
    }
}

fn read_child(modules: &mut Vec<Module>, parent: usize, file: &Path, folder: &Path, child: &ItemMod) -> usize {
    let name = child.ident.to_string();
    if let Some((_, items)) = &child.content {
        return read(modules, Some(parent), file, &folder.join(name), items);
    }
    let beside = folder.join(&name).with_extension("rs");
    let below = folder.join(&name).join("mod.rs");
    let named = path_attribute(&child.attrs).map(|path| fs::canonicalize(file.with_file_name(path)).unwrap());
    let found = named.into_iter().chain([beside, below]).find(|file| file.is_file());
    let found = found.unwrap_or_else(|| panic!("{}: there is no file of `mod {name};`", file.display()));
    let items = syn::parse_file(&fs::read_to_string(&found).unwrap()).unwrap().items;
    read(modules, Some(parent), &found, &folder.join(name), &items)
}
