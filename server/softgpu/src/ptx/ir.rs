//! Decoded instructions. Everything that can be known before a kernel runs is decided here: which lane function runs, which
//! row of registers each operand is, where each label leads.
//!
//! A register is a row of 32 lanes; an immediate is a row too, filled when its function is entered. A predicate is a
//! mask of 32 bits.

use super::alu::{AtomFn, CarryFn, CompareFn, Form, FourFn, LaneFn, Sum};
use super::texture::Geometry;

/// A row of the function's register window.
pub type Reg = u32;
/// A mask of the function's predicate window.
pub type Pred = u32;

/// Where shared and local memory begin in the generic address space, beyond anything that a process can have mapped.
pub const SHARED_WINDOW: u64 = 1 << 48;
pub const LOCAL_WINDOW: u64 = 2 << 48;
/// Size of each window.
pub const WINDOW_BYTES: u64 = 1 << 32;

/// Always zero; also what stands where an instruction has fewer sources than its form.
pub const ZERO: Reg = 0;

#[derive(Clone)]
pub struct Inst {
    /// Runs in the lanes where the predicate is set, or not set.
    pub guard: Option<(Pred, bool)>,
    pub line: u32,
    pub op: Op,
}

#[derive(Clone)]
pub enum Op {
    /// `apart`: the destination is none of the sources, so it can be written in place.
    Alu {
        run: LaneFn,
        d: Reg,
        a: Reg,
        b: Reg,
        c: Reg,
        apart: bool,
    },
    /// Arithmetic with the condition code, which is row `carry`.
    Carry {
        run: CarryFn,
        carry: Reg,
        d: Reg,
        a: Reg,
        b: Reg,
        c: Reg,
    },
    /// Four sources.
    Four {
        run: FourFn,
        d: Reg,
        s: [Reg; 4],
    },
    Lop3 {
        table: u8,
        d: Reg,
        a: Reg,
        b: Reg,
        c: Reg,
    },
    Compare {
        run: CompareFn,
        a: Reg,
        b: Reg,
        with: Option<Combine>,
        to: Outcome,
    },
    /// One source only.
    Test {
        run: fn(&super::alu::Lanes) -> u32,
        a: Reg,
        d: Pred,
    },
    Select {
        d: Reg,
        a: Reg,
        b: Reg,
        p: Pred,
    },
    PredLogic {
        logic: Logic,
        d: Pred,
        a: Pred,
        b: Pred,
    },
    PredNot {
        d: Pred,
        a: Pred,
    },
    PredSet {
        d: Pred,
        value: bool,
    },
    Special {
        d: Reg,
        which: Special,
    },
    /// A generic or local address of something in the frame.
    FrameAddress {
        d: Reg,
        offset: u32,
    },
    /// `{d0, d1, …} = a`, each of `bits`; a missing one is [`SINK`].
    Unpack {
        d: [Reg; 4],
        count: u8,
        bits: u8,
        a: Reg,
    },
    Pack {
        d: Reg,
        s: [Reg; 4],
        count: u8,
        bits: u8,
    },
    Load {
        access: Access,
        d: [Reg; 4],
        signed: bool,
    },
    Store {
        access: Access,
        s: [Reg; 4],
    },
    Atom {
        access: Access,
        run: AtomFn,
        d: Reg,
        b: Reg,
        c: Reg,
    },
    /// Global to shared, `bytes` at a time; what it does not copy of `size` it zeroes.
    CopyAsync {
        to: Reg,
        to_offset: i64,
        from: Reg,
        from_offset: i64,
        bytes: u32,
        source_bytes: Reg,
    },
    Texture(Box<TextureOp>),
    Surface(Box<SurfaceOp>),
    ImageQuery {
        which: ImageFact,
        of_surface: bool,
        d: Reg,
        image: Reg,
    },
    IsSpace {
        space: Space,
        d: Pred,
        a: Reg,
    },
    Branch {
        to: u32,
    },
    BranchIndexed {
        index: Reg,
        to: Box<[u32]>,
    },
    Call {
        target: Target,
        args: Box<[FrameVar]>,
        returns: Box<[FrameVar]>,
    },
    Return,
    Exit,
    Trap,
    Barrier {
        id: Reg,
        threads: Option<Reg>,
        kind: BarrierKind,
    },
    /// All lanes of the mask must be here before any goes on.
    WarpSync {
        members: Reg,
    },
    Shuffle {
        mode: Shuffle,
        d: Reg,
        ok: Option<Pred>,
        a: Reg,
        b: Reg,
        c: Reg,
        members: Reg,
    },
    Vote {
        mode: Vote,
        to: Outcome,
        p: Pred,
        negate: bool,
        members: Reg,
    },
    MatchAny {
        d: Reg,
        a: Reg,
        wide: bool,
        members: Reg,
    },
    MatchAll {
        d: Reg,
        ok: Option<Pred>,
        a: Reg,
        wide: bool,
        members: Reg,
    },
    Reduce {
        run: AtomFn,
        d: Reg,
        a: Reg,
        members: Reg,
    },
    /// Lanes of a whole warp hold the matrices together.
    Matrix {
        work: Box<MatrixWork>,
        members: Reg,
    },
    ActiveMask {
        d: Reg,
    },
    Elect {
        d: Reg,
        p: Pred,
        members: Reg,
    },
    Fence,
    Sleep,
    Nothing,
}

#[derive(Clone)]
pub enum MatrixWork {
    Multiply {
        d: Fragment,
        a: Fragment,
        b: Fragment,
        c: Fragment,
        sum: Sum,
    },
    /// Between memory, whose rows or columns lie `stride` elements apart, and a fragment.
    Load {
        to: Fragment,
        from: Lines,
    },
    Store {
        from: Fragment,
        to: Lines,
    },
    /// Up to four matrices of 8 by 8 16-bit elements, of which each eight lanes give the rows' addresses.
    LoadRows {
        d: Vec<Reg>,
        transposed: bool,
        space: Space,
        address: Reg,
        offset: i64,
    },
    /// Such a matrix from one register to another, turned.
    Transpose {
        d: Reg,
        a: Reg,
    },
}

/// A matrix in registers of a warp's lanes.
#[derive(Clone)]
pub struct Fragment {
    pub form: Form,
    pub registers: Vec<Reg>,
}

/// A matrix in memory.
#[derive(Clone, Copy)]
pub struct Lines {
    pub space: Space,
    pub address: Reg,
    pub offset: i64,
    /// In elements; without it the lines lie end to end.
    pub stride: Option<Reg>,
    pub column_major: bool,
}

/// A read of a texture.
#[derive(Debug, Clone)]
pub struct TextureOp {
    pub geometry: Geometry,
    pub d: [Reg; 4],
    pub texture: Reg,
    pub coordinates: [Reg; 4],
    /// Coordinates are texel numbers, not places.
    pub whole: bool,
    pub level: Option<Reg>,
    /// One channel of four texels is wanted.
    pub gather: Option<u8>,
}

/// A read or write of a surface, of bytes as they are.
#[derive(Debug, Clone)]
pub struct SurfaceOp {
    pub geometry: Geometry,
    pub surface: Reg,
    pub coordinates: [Reg; 4],
    pub values: [Reg; 4],
    pub loads: bool,
    /// Of one element, of which there are `count`.
    pub bytes: u8,
    pub count: u8,
    pub beyond: Beyond,
}

/// What becomes of an access beyond a surface's edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    Trap,
    Clamp,
    Zero,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFact {
    Width,
    Height,
    /// Or the layers.
    Depth,
}

/// Stands for a destination that is not wanted.
pub const SINK: Reg = u32::MAX;

/// Where the outcome of a comparison or vote goes.
#[derive(Debug, Clone, Copy)]
pub enum Outcome {
    /// The second gets the complement.
    Preds(Option<Pred>, Option<Pred>),
    /// All ones or zero.
    Mask(Reg),
    /// 1.0 or 0.0 of f32.
    Float(Reg),
    /// The mask itself, in every lane.
    Ballot(Reg),
}

/// What a comparison's outcome is combined with.
#[derive(Debug, Clone, Copy)]
pub struct Combine {
    pub logic: Logic,
    pub p: Pred,
    pub negate: bool,
}

#[derive(Debug, Clone, Copy)]
pub enum Logic {
    And,
    Or,
    Xor,
}

impl Logic {
    pub fn of(self, a: u32, b: u32) -> u32 {
        match self {
            Logic::And => a & b,
            Logic::Or => a | b,
            Logic::Xor => a ^ b,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// Global, constant, or whatever the address says.
    Generic,
    Shared,
    Local,
    /// The entry's parameters.
    Param,
}

/// A load, store or atomic: `count` elements of `bytes` each at the address in a register plus an offset.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    pub space: Space,
    pub bytes: u8,
    pub count: u8,
    pub address: Reg,
    pub offset: i64,
    /// `.acquire`, `.release` and stronger.
    pub ordered: bool,
    /// Looks as if it waits for somebody: volatile or stronger than weak.
    pub waits: bool,
}

/// A piece of the frame, which holds local variables and the parameters of calls.
#[derive(Debug, Clone, Copy)]
pub struct FrameVar {
    pub offset: u32,
    pub bytes: u32,
}

#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// By its place in the kernel.
    Function(u32),
    /// By a code address.
    Pointer(Reg),
    Builtin(Builtin),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builtin {
    Printf,
    AssertFail,
    /// Sets what a conditional node of a graph looks at.
    SetConditional,
    Malloc,
    Free,
}

#[derive(Debug, Clone, Copy)]
pub enum BarrierKind {
    Sync,
    Arrive,
    /// The outcome over all threads of predicate `p` goes to a predicate, or their number to a register.
    Reduce {
        how: BarrierReduce,
        p: Pred,
        negate: bool,
    },
}

#[derive(Debug, Clone, Copy)]
pub enum BarrierReduce {
    And(Pred),
    Or(Pred),
    Count(Reg),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shuffle {
    Up,
    Down,
    Butterfly,
    Index,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vote {
    All,
    Any,
    Uniform,
    Ballot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    Tid(usize),
    Ntid(usize),
    Ctaid(usize),
    Nctaid(usize),
    LaneId,
    WarpId,
    WarpCount,
    SmId,
    SmCount,
    GridId,
    Clock,
    ClockHigh,
    GlobalTimer,
    GlobalTimerHigh,
    LanesEqual,
    LanesLess,
    LanesLessEqual,
    LanesGreater,
    LanesGreaterEqual,
    DynamicSharedBytes,
    TotalSharedBytes,
    WorkspaceHigh,
    WorkspaceLow,
    Zero,
    One,
}

/// A function, ready to run: its instructions are part of the kernel's.
#[derive(Clone)]
pub struct Function {
    /// Where it begins in the kernel's instructions.
    pub start: u32,
    pub registers: u32,
    pub predicates: u32,
    /// Rows that hold constants, and what they hold.
    pub constants: Vec<(Reg, u64)>,
    pub frame_bytes: u32,
    pub params: Vec<FrameVar>,
    pub returns: Vec<FrameVar>,
}
