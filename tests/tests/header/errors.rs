//! The numbers of errors, and how long cuda.h says that they last.

use crate::toolkit;
use farwarp_face::error_name;
use farwarp_protocol::error::{CONTEXT_FATAL, Code, NAMED, PROCESS_FATAL};
use std::collections::BTreeMap;

/// `CUDA_ERROR_EXTERNAL_DEVICE` is of the fatal kind only when it comes asynchronously; its comment describes both.
const FATAL_WHEN_ASYNCHRONOUS: Code = 911;

struct Described {
    name: String,
    comment: String,
}

#[test]
fn the_errors_that_end_a_process_are_those_of_which_cuda_h_says_it() {
    let errors = errors();
    let said = saying(&errors, "the process must be terminated");
    let listed: Vec<Code> = PROCESS_FATAL.iter().copied().chain([FATAL_WHEN_ASYNCHRONOUS]).collect();
    let mut listed = listed;
    listed.sort();
    assert_eq!(said, listed);
    assert!(errors[&FATAL_WHEN_ASYNCHRONOUS].comment.contains("asynchronous error"));
}

#[test]
fn the_errors_that_end_a_context_are_those_of_which_cuda_h_says_it() {
    // cuda.h lets the context be the subject of the sentence: "The context cannot be used anymore, and must be destroyed."
    assert_eq!(saying(&errors(), "The context cannot be used anymore, and must be destroyed"), CONTEXT_FATAL);
}

#[test]
fn errors_have_the_numbers_and_names_of_cuda_h() {
    let errors = errors();
    assert!(errors.len() > 100, "only {} errors were read", errors.len());
    for (name, code) in NAMED {
        assert_eq!(errors.get(code).map(|error| error.name.as_str()), Some(*name), "{code}");
    }
    for (code, error) in &errors {
        let name = error_name(code.cast_unsigned()).map(|name| name.to_string_lossy().into_owned());
        assert_eq!(name.as_deref(), Some(error.name.as_str()), "{code}");
    }
    let known = (0..=2000).filter(|code| error_name(*code).is_some()).count();
    assert_eq!(known, errors.len(), "errors that have a name, and errors of cuda.h");
}

fn saying(errors: &BTreeMap<Code, Described>, phrase: &str) -> Vec<Code> {
    errors.iter().filter(|(_, error)| error.comment.contains(phrase)).map(|(code, _)| *code).collect()
}

/// Every `/** comment */ CUDA_NAME = code` of the enum.
fn errors() -> BTreeMap<Code, Described> {
    let text = toolkit::text_of("cuda.h");
    let (_, rest) = text.split_once("typedef enum cudaError_enum {").expect("cuda.h has the enum");
    let (body, _) = rest.split_once("} CUresult;").expect("the enum ends");
    body.split("/**").skip(1).map(described).collect()
}

fn described(entry: &str) -> (Code, Described) {
    let (comment, declaration) = entry.split_once("*/").expect("a comment ends");
    let comment: Vec<&str> = comment.split_whitespace().filter(|word| *word != "*").collect();
    let (name, code) = declaration.split_once('=').expect("a name and a number");
    let code = code.trim().trim_end_matches(',').parse().expect("a number");
    (code, Described { name: name.trim().to_owned(), comment: comment.join(" ") })
}
