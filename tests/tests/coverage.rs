//! `docs/coverage.md` says what the table says. `FARWARP_WRITE=1 cargo test -p farwarp-tests --test coverage` writes it anew.

use farwarp_protocol::table::{self, Answer, CHAPTERS, Row, WITHOUT_ROWS};
use farwarp_tests::root;
use std::fmt::Write as _;
use std::fs;

const HEAD: &str = "\
# Coverage of the driver API

Made from the table (`protocol/src/table/`) by `FARWARP_WRITE=1 cargo test -p farwarp-tests --test coverage`; the same
test, without the variable, fails when this page and the table differ. What a row is: `docs/add-a-function.md`.

Every function of CUDA 13.5's `cuda.h` is exported, with all its versions and per-thread forms. The word says how its answer
comes when a program calls the shim:

";

const WORDS: [(Answer, &str, &str); 5] = [
    (Answer::Ask, "ask", "the caller waits for the server"),
    (Answer::Tell, "tell", "sent, not waited for: the shim has checked all that can fail"),
    (Answer::Here, "here", "answered in the shim"),
    (Answer::Hand, "hand", "crosses the wire in a way of its own, for the reason beside the row"),
    (Answer::Deny, "deny", "not built yet: `CUDA_ERROR_NOT_SUPPORTED`"),
];

#[test]
fn the_page_says_what_the_table_says() {
    let path = root().join("docs/coverage.md");
    let page = page();
    if std::env::var_os("FARWARP_WRITE").is_some() {
        fs::write(&path, &page).expect("the page can be written");
    }
    let written = fs::read_to_string(&path).expect("docs/coverage.md");
    let differing = written.lines().zip(page.lines()).find(|(written, made)| written != made);
    assert!(written == page, "docs/coverage.md is not what the table makes; first difference: {differing:?}");
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    page += "| word | functions | symbols | meaning |\n|---|---:|---:|---|\n";
    for (answer, word, meaning) in WORDS {
        let rows = || table::rows().filter(|row| row.answer == answer);
        line(&mut page, format_args!("| {word} | {} | {} | {meaning} |", rows().count(), symbols(rows())));
    }
    let (functions, symbols) = (table::rows().count(), symbols(table::rows()));
    line(&mut page, format_args!("| all | {functions} | {symbols} | |"));
    page += "\nHeaders of the toolkit whose functions are not exported:\n\n";
    for (header, reason) in WITHOUT_ROWS {
        line(&mut page, format_args!("- `{header}`: {reason}."));
    }
    CHAPTERS.iter().for_each(|rows| chapter(&mut page, rows));
    page
}

fn chapter(page: &mut String, rows: &[Row]) {
    let built = rows.iter().filter(|row| row.answer != Answer::Deny).count();
    let title = rows.first().expect("a chapter has rows").chapter;
    line(page, format_args!("\n## {title}: {built} of {}\n", rows.len()));
    *page += "| function | since | word | what it does |\n|---|---|---|---|\n";
    for row in rows {
        let (_, word, _) =
            WORDS.iter().find(|(answer, ..)| *answer == row.answer).expect("all words are listed");
        let since = format_args!("{}.{}", row.since / 1000, row.since % 1000 / 10);
        line(page, format_args!("| {} | {since} | {word} | {} |", names(row), row.doc.trim()));
    }
}

/// The symbol, and the ending of its per-thread form.
fn names(row: &Row) -> String {
    match row.per_thread.and_then(|symbol| symbol.strip_prefix(row.name)) {
        Some(ending) => format!("`{}`, `{ending}`", row.name),
        None => format!("`{}`", row.name),
    }
}

fn symbols<'a>(rows: impl Iterator<Item = &'a Row>) -> usize {
    rows.map(|row| 1 + usize::from(row.per_thread.is_some())).sum()
}

fn line(page: &mut String, text: std::fmt::Arguments) {
    writeln!(page, "{text}").expect("strings grow");
}
