//! What STYLE.md says and a machine can check. It reads the tree as text and knows nothing of Rust.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use farwarp_tests::root;

/// Longer files stand in STYLE.md.
const LINES_MAX: usize = 700;

/// Not part of what is written: what is built, and git's own.
const NOT_OURS: [&str; 5] = ["target", "dist", "dist.new", ".work", ".git"];

/// Words that mean unfinished work. Put together here, so that this file does not hold them.
const UNFINISHED: [&str; 7] = [
    concat!("to", "do!("),
    concat!("un", "implemented!("),
    concat!("#[", "ignore"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
    concat!("db", "g!("),
];

/// Hosts of package registries. Cargo writes its own into the one lock file.
const REGISTRIES: [&str; 3] =
    [concat!("crates", ".io"), concat!("pypi", ".org"), concat!("python", "hosted")];

#[test]
fn unsafe_stands_only_in_the_listed_files_and_each_says_why() {
    let lifted = |path: &&PathBuf| text(path).contains("allow(unsafe_code)") && !is_this_file(path);
    let found: BTreeSet<String> = rust_files().iter().filter(lifted).map(|path| name(path)).collect();
    assert_eq!(listed("unsafe"), found, "left: STYLE.md, right: the tree");
    for file in found {
        let text = text(&root().join(&file));
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("allow(unsafe_code)")) {
            // Beside it, above it or below it.
            let around = [Some(line), lines.get(at.wrapping_sub(1)), lines.get(at + 1)];
            let said = around.into_iter().flatten().any(|line| line.contains("// "));
            assert!(said, "{file}:{}: no reason stands at {line:?}", at + 1);
        }
    }
}

#[test]
fn long_files_are_listed() {
    let long = |path: &&PathBuf| text(path).lines().count() > LINES_MAX;
    let found: BTreeSet<String> = rust_files().iter().filter(long).map(|path| name(path)).collect();
    assert_eq!(listed("long"), found, "left: STYLE.md, right: the tree");
}

#[test]
fn each_file_opens_with_what_it_is_for() {
    each(rust_files(), |text| {
        let first = text.lines().next().unwrap_or_default();
        (!first.starts_with("//! ") || first.len() < 12).then(|| format!("it opens with {first:?}"))
    });
}

#[test]
fn nothing_is_left_unfinished() {
    each(rust_files(), |text| {
        UNFINISHED.iter().find(|word| text.contains(**word)).map(|word| format!("it says {word:?}"))
    });
}

#[test]
fn no_file_knows_the_machine_that_it_was_written_on() {
    // Put together here, so that this file does not hold them.
    let places = ["work", "root", "home"].map(|folder| format!("/{folder}/"));
    each(written_files(), |text| {
        places.iter().find(|place| text.contains(*place)).map(|place| format!("it names {place}"))
    });
}

#[test]
fn no_file_names_a_package_registry_but_the_lock() {
    let files = written_files().into_iter().filter(|path| name(path) != "Cargo.lock").collect();
    each(files, |text| {
        REGISTRIES.iter().find(|host| text.contains(**host)).map(|host| format!("it names {host}"))
    });
}

#[test]
fn one_file_only_names_the_codec_of_the_wire() {
    let codec = concat!("bin", "code::");
    let naming = |path: &&PathBuf| text(path).contains(codec);
    let found: Vec<String> = rust_files().iter().filter(naming).map(|path| name(path)).collect();
    assert_eq!(found, ["protocol/src/codec.rs"]);
}

#[test]
fn each_script_can_be_run_and_says_what_it_does() {
    let scripts =
        fs::read_dir(root().join("scripts")).expect("scripts/").map(|entry| entry.expect("an entry").path());
    for script in scripts.filter(|path| path.is_file()).chain([root().join(".ci/run")]) {
        let text = text(&script);
        let mut lines = text.lines();
        assert!(lines.next().is_some_and(|line| line.starts_with("#!/usr/bin/env ")), "{}", name(&script));
        let said = lines
            .next()
            .is_some_and(|line| line.len() > 20 && (line.starts_with("# ") || line.starts_with("\"\"\"")));
        assert!(said, "{} does not open with what it does", name(&script));
        let mode = script.metadata().expect("a script").permissions().mode();
        assert!(mode & 0o111 == 0o111, "{} cannot be run", name(&script));
    }
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    for page in written_files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let text = text(&page);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let elsewhere = target.is_empty() || target.contains("://");
            let there = page.parent().expect("a page lies in a folder").join(target);
            assert!(elsewhere || there.exists(), "{} links to {target}, which is not there", name(&page));
        }
    }
}

#[test]
fn the_specification_names_tests_that_are_there() {
    let mut faults = Vec::new();
    let specification = text(&root().join("SPECIFICATION.md"));
    for (at, line) in specification.lines().enumerate() {
        // A row names paths, and behind a path the tests in it that keep the promise.
        let kept_by = line.trim_end_matches(" |").rsplit_once(" | ").map_or("", |(_, kept_by)| kept_by);
        let mut path = PathBuf::new();
        for name in kept_by.split('`').skip(1).step_by(2) {
            if name.contains('/') {
                path = root().join(name);
                if !path.exists() {
                    faults.push(format!("SPECIFICATION.md:{}: {name} is not there", at + 1));
                }
            } else if !test_stands_in(&path, name) {
                faults.push(format!("SPECIFICATION.md:{}: no test {name} in {}", at + 1, path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Whether a file, or one below a folder, has a function of this name.
fn test_stands_in(path: &Path, test: &str) -> bool {
    let function = format!("fn {test}(");
    written_files().iter().any(|file| file.starts_with(path) && text(file).contains(&function))
}

/// Names every file in which something is wrong, not only the first.
fn each(files: Vec<PathBuf>, fault: impl Fn(&str) -> Option<String>) {
    let faults: Vec<String> =
        files.iter().filter_map(|path| Some(format!("{}: {}", name(path), fault(&text(path))?))).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The lines of STYLE.md's block of this name; what follows two spaces is a remark.
fn listed(block: &str) -> BTreeSet<String> {
    let style = text(&root().join("STYLE.md"));
    let lines = style.lines().skip_while(|line| *line != format!("```{block}")).skip(1);
    lines
        .take_while(|line| *line != "```")
        .filter_map(|line| line.split("  ").next().filter(|file| !file.is_empty()))
        .map(str::to_owned)
        .collect()
}

fn rust_files() -> Vec<PathBuf> {
    written_files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// Every file of the clone that is text and ours.
fn written_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).expect("a folder of the clone").map(|entry| entry.expect("an entry").path())
        {
            let file_name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // In a linked worktree .git is a file.
            if NOT_OURS.contains(&file_name) {
                continue;
            } else if entry.is_dir() {
                folders.push(entry);
            } else if entry.is_file() && fs::read_to_string(&entry).is_ok() {
                files.push(entry);
            }
        }
    }
    assert!(files.len() > 50, "the tree was not found");
    files.sort();
    files
}

fn is_this_file(path: &Path) -> bool {
    path.ends_with("tests/tests/tidy.rs")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).expect("a file of the clone").display().to_string()
}
