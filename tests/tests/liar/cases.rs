//! Every lie about every answer: made from what honest runs were answered.

use farwarp_protocol::call::{NOTICE_FAILED, NOTICE_FATAL, NOTICE_FENCE, NOTICE_HOST_CALL, NOTICE_PIECE};
use farwarp_protocol::limits::{BODY_BYTES_MAX, HEADER_BYTES};
use farwarp_tests::liar::{Lie, Twist};

/// An answer that an honest worker gave.
pub struct Answered {
    /// Which of the programs heard it first.
    pub program: usize,
    pub op: u32,
    pub bytes: usize,
}

/// Of a longer body each byte up to here is another, and of the rest as many.
const BYTES_EACH: usize = 64;

pub fn of(answered: &[Answered]) -> Vec<(usize, Lie)> {
    let lies = |about: &Answered| {
        let (program, op) = (about.program, about.op);
        twists(about.bytes).into_iter().map(move |twist| (program, Lie { op, twist }))
    };
    answered.iter().flat_map(lies).collect()
}

fn twists(bytes: usize) -> Vec<Twist> {
    let places: Vec<usize> =
        (0..bytes.min(BYTES_EACH)).chain((BYTES_EACH..bytes).step_by((bytes / BYTES_EACH).max(1))).collect();
    let mut twists: Vec<Twist> = places.iter().map(|&at| Twist::Cut { at }).collect();
    twists.extend(places.iter().flat_map(|&at| [1, 0x80, 0xff].map(|xor| Twist::Flip { at, xor })));
    twists.extend((0..HEADER_BYTES).flat_map(|at| [1, 0xff].map(|xor| Twist::Head { at, xor })));
    let whole_words = places.iter().filter(|&&at| at + 8 <= bytes);
    twists.extend(whole_words.flat_map(|&at| [0, 3, 8].map(|mapping| Twist::Address { at, mapping })));
    twists.extend([1, 8, 4096, BODY_BYTES_MAX - bytes].map(|bytes| Twist::More { bytes }));
    twists.extend([1, 33, 5000, BODY_BYTES_MAX as u32 + 1, u32::MAX / 2].map(|bytes| Twist::Claim { bytes }));
    twists.extend([-1, 1, 2, 201, 700, 719, 999, i32::MAX, i32::MIN].map(|code| Twist::Code { code }));
    twists.extend([Twist::Twice, Twist::Unasked { after: 1 }, Twist::Unasked { after: 1 << 40 }]);
    let notices = [NOTICE_FAILED, NOTICE_FATAL, NOTICE_FENCE, NOTICE_HOST_CALL, NOTICE_PIECE, 12345];
    twists.extend(notices.map(|op| Twist::Flood { op }));
    twists
}

/// For the table of counts.
pub fn kind(lie: &Lie) -> &'static str {
    match lie.twist {
        Twist::Cut { .. } => "cut",
        Twist::Flip { .. } => "a byte flipped",
        Twist::Head { .. } => "a byte of the header flipped",
        Twist::More { .. } => "bytes more",
        Twist::Claim { .. } => "bytes more said than sent",
        Twist::Code { .. } => "another code",
        Twist::Twice => "answered twice",
        Twist::Unasked { .. } => "an answer to no call",
        Twist::Address { .. } => "an address of the program's own",
        Twist::Flood { .. } => "a flood of notices",
    }
}
