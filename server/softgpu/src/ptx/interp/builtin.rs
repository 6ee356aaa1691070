//! Calls: of functions of the text, and of the few that CUDA's runtime promises to every kernel.

use super::super::Fault;
use super::super::alu::LANES;
use super::super::ir::*;
use super::super::program::{FUNCTION_STRIDE, FUNCTION_WINDOW};
use super::{Env, Frame, Path, Warp, each, lanes_where};

/// Longest text that a pointer of the program may lead to: a format, or an argument of `%s`.
const TEXT_BYTES_MAX: usize = 64 << 10;

impl Warp {
    /// The path is split so that all its lanes call the same function.
    pub(super) fn call(&mut self, env: &mut Env, path: &mut Path, inst: &Inst) -> Result<(), Fault> {
        let Op::Call { target, args, returns } = &inst.op else { return Ok(()) };
        match target {
            Target::Builtin(builtin) => {
                self.builtin(env, path, *builtin, args, returns, inst.line)?;
                path.pc += 1;
                Ok(())
            }
            Target::Function(index) => self.enter_function(env, path, *index, args, inst.line),
            Target::Pointer(reg) => {
                let pointers = *self.row(path, *reg);
                let target = pointers[path.mask.trailing_zeros() as usize];
                let same = lanes_where(path.mask, |lane| pointers[lane] == target);
                let others = path.mask & !same;
                self.diverge(path, others, path.pc);
                let number = target
                    .checked_sub(FUNCTION_WINDOW)
                    .filter(|offset| offset.is_multiple_of(FUNCTION_STRIDE))
                    .map(|offset| (offset / FUNCTION_STRIDE) as usize);
                let index = number.and_then(|number| env.kernel.by_number.get(&number).copied());
                let index = index.ok_or(Fault::InvalidPc { target, line: inst.line })?;
                self.enter_function(env, path, index, args, inst.line)
            }
        }
    }

    fn enter_function(
        &mut self,
        env: &Env,
        path: &mut Path,
        index: u32,
        args: &[FrameVar],
        line: u32,
    ) -> Result<(), Fault> {
        let caller = &env.kernel.functions[path.function as usize];
        let function = &env.kernel.functions[index as usize];
        let (rows, preds) = (path.rows + caller.registers, path.preds + caller.predicates);
        let local = path.local + caller.frame_bytes;
        if !self.enter(function, rows, preds, local, path.mask) {
            return Err(Fault::HardwareStackError { line });
        }
        for (arg, param) in args.iter().zip(&function.params) {
            let (from, to) = (path.local + arg.offset, local + param.offset);
            each(path.mask, |lane| self.local.copy(lane, from, to, arg.bytes.min(param.bytes)));
        }
        path.callers.push(Frame {
            return_pc: path.pc + 1,
            function: path.function,
            rows: path.rows,
            preds: path.preds,
            local: path.local,
            call_pc: path.pc,
        });
        (path.rows, path.preds, path.local) = (rows, preds, local);
        (path.function, path.pc) = (index, function.start);
        Ok(())
    }

    /// Back to the caller; false where there is none.
    pub(super) fn leave(&mut self, env: &Env, path: &mut Path) -> bool {
        let Some(frame) = path.callers.pop() else { return false };
        let function = &env.kernel.functions[path.function as usize];
        if let Op::Call { returns, .. } = &env.kernel.code[frame.call_pc as usize].op {
            for (result, place) in function.returns.iter().zip(returns) {
                let (from, to) = (path.local + result.offset, frame.local + place.offset);
                each(path.mask, |lane| self.local.copy(lane, from, to, result.bytes.min(place.bytes)));
            }
        }
        (path.rows, path.preds, path.local) = (frame.rows, frame.preds, frame.local);
        (path.function, path.pc) = (frame.function, frame.return_pc);
        true
    }

    fn builtin(
        &mut self,
        env: &mut Env,
        path: &Path,
        builtin: Builtin,
        args: &[FrameVar],
        returns: &[FrameVar],
        line: u32,
    ) -> Result<(), Fault> {
        let lanes: Vec<usize> = (0..LANES).filter(|lane| path.mask >> lane & 1 == 1).collect();
        for lane in lanes {
            let arg = |warp: &mut Warp, index: usize| {
                args.get(index).map_or(0, |arg| warp.local.read_u64(lane, path.local + arg.offset))
            };
            match builtin {
                Builtin::Printf => {
                    let (format, values) = (arg(self, 0), arg(self, 1));
                    let format = self.text(env, lane, format, line)?;
                    let (printed, count) = self.printf(env, lane, &format, values, line)?;
                    (env.printf)(printed);
                    if let Some(result) = returns.first() {
                        self.local.write_u32(lane, path.local + result.offset, count);
                    }
                }
                Builtin::Malloc => {
                    let bytes = arg(self, 0);
                    let at = env.heap.map_or(0, |heap| heap.allocate(bytes));
                    if let Some(result) = returns.first() {
                        self.local.write_u64(lane, path.local + result.offset, at);
                    }
                }
                Builtin::Free => {
                    let at = arg(self, 0);
                    if !env.heap.is_some_and(|heap| heap.free(at)) {
                        return Err(Fault::IllegalAddress { address: at, bytes: 1, write: true, line });
                    }
                }
                Builtin::AssertFail => {
                    let (message, file, number, function) =
                        (arg(self, 0), arg(self, 1), arg(self, 2) as u32, arg(self, 3));
                    let [message, file, function] =
                        [message, file, function].map(|at| self.text(env, lane, at, line));
                    let tid = self.tid.each_ref().map(|axis| axis[lane]);
                    let message = format!(
                        "{}:{number}: {}: block: [{},{},{}], thread: [{},{},{}] Assertion `{}` failed.",
                        file?,
                        function?,
                        env.block[0],
                        env.block[1],
                        env.block[2],
                        tid[0],
                        tid[1],
                        tid[2],
                        message?
                    );
                    return Err(Fault::Assert { message });
                }
                Builtin::SetConditional => (env.set_conditional)(arg(self, 0), arg(self, 1) as u32),
            }
        }
        Ok(())
    }

    /// A NUL-terminated text of the kernel's, byte by byte: it may end where its memory does.
    fn text(&mut self, env: &mut Env, lane: usize, at: u64, line: u32) -> Result<String, Fault> {
        let mut bytes = Vec::new();
        while bytes.len() < TEXT_BYTES_MAX {
            match self.read(env, lane, at + bytes.len() as u64, 1, line)? as u8 {
                0 => break,
                byte => bytes.push(byte),
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// C's printf over arguments that lie one after another, each aligned to its size, as `vprintf` gets them. The text, and how
    /// many arguments went into it.
    fn printf(
        &mut self,
        env: &mut Env,
        lane: usize,
        format: &str,
        values: u64,
        line: u32,
    ) -> Result<(String, u32), Fault> {
        let mut out = String::new();
        let (mut at, mut count) = (values, 0);
        let mut next = |warp: &mut Warp, env: &mut Env, bytes: u64| {
            count += 1;
            at = at.next_multiple_of(bytes);
            let value = warp.read(env, lane, at, bytes as u8, line);
            at += bytes;
            value
        };
        let mut rest = format.chars().peekable();
        while let Some(character) = rest.next() {
            if character != '%' {
                out.push(character);
                continue;
            }
            let mut spec = Spec::default();
            while let Some(flag) = rest.next_if(|flag| "-+ #0".contains(*flag)) {
                spec.flag(flag);
            }
            if rest.next_if_eq(&'*').is_some() {
                spec.width_is(next(self, env, 4)? as i32);
            } else {
                while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                    spec.width = (spec.width * 10 + digit as usize - '0' as usize).min(TEXT_BYTES_MAX);
                }
            }
            if rest.next_if_eq(&'.').is_some() {
                let mut precision = 0;
                if rest.next_if_eq(&'*').is_some() {
                    precision = (next(self, env, 4)? as i32).max(0) as usize;
                }
                while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                    precision = (precision * 10 + digit as usize - '0' as usize).min(TEXT_BYTES_MAX);
                }
                spec.precision = Some(precision);
            }
            let mut longs = 0;
            while let Some(length) = rest.next_if(|length| "hlLqjzt".contains(*length)) {
                longs += usize::from(length != 'h');
            }
            let size = if longs > 0 { 8 } else { 4 };
            let Some(conversion) = rest.next() else { break };
            let piece = match conversion {
                '%' => "%".to_owned(),
                'd' | 'i' => {
                    let value = next(self, env, size)?;
                    spec.signed(if size == 8 { value as i64 } else { i64::from(value as i32) })
                }
                'u' | 'x' | 'X' | 'o' => spec.unsigned(next(self, env, size)?, conversion),
                'c' => spec.pad(char::from(next(self, env, 4)? as u8).to_string()),
                'p' => spec.pad(format!("{:#x}", next(self, env, 8)?)),
                's' => {
                    let text = next(self, env, 8)?;
                    let text =
                        if text == 0 { "(null)".to_owned() } else { self.text(env, lane, text, line)? };
                    spec.pad(text.chars().take(spec.precision.unwrap_or(usize::MAX)).collect())
                }
                'f' | 'F' | 'e' | 'E' | 'g' | 'G' | 'a' | 'A' => {
                    spec.float(f64::from_bits(next(self, env, 8)?), conversion)
                }
                other => format!("%{other}"),
            };
            out.push_str(&piece);
        }
        Ok((out, count))
    }
}

/// One conversion of a format.
#[derive(Default)]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

impl Spec {
    fn flag(&mut self, flag: char) {
        match flag {
            '-' => self.left = true,
            '+' => self.plus = true,
            ' ' => self.space = true,
            '#' => self.alternate = true,
            _ => self.zero = true,
        }
    }

    fn width_is(&mut self, width: i32) {
        self.left |= width < 0;
        self.width = (width.unsigned_abs() as usize).min(TEXT_BYTES_MAX);
    }

    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        }
    }

    fn pad(&self, text: String) -> String {
        let (width, length) = (self.width, text.chars().count());
        let blanks = " ".repeat(width.saturating_sub(length));
        if self.left { text + &blanks } else { blanks + &text }
    }

    /// Zeros go between what stands in front and the digits.
    fn number(&self, front: &str, digits: String, zeros_allowed: bool) -> String {
        let missing = self.width.saturating_sub(front.len() + digits.len());
        if self.zero && !self.left && zeros_allowed {
            return format!("{front}{}{digits}", "0".repeat(missing));
        }
        self.pad(format!("{front}{digits}"))
    }

    fn at_least(&self, digits: String) -> String {
        match self.precision {
            Some(0) if digits == "0" => String::new(),
            Some(precision) => "0".repeat(precision.saturating_sub(digits.len())) + &digits,
            None => digits,
        }
    }

    fn signed(&self, value: i64) -> String {
        self.number(
            self.sign(value < 0),
            self.at_least(value.unsigned_abs().to_string()),
            self.precision.is_none(),
        )
    }

    fn unsigned(&self, value: u64, conversion: char) -> String {
        let (front, digits) = match conversion {
            'x' => ("0x", format!("{value:x}")),
            'X' => ("0X", format!("{value:X}")),
            'o' => ("0", format!("{value:o}")),
            _ => ("", value.to_string()),
        };
        let front = if self.alternate && value != 0 { front } else { "" };
        self.number(front, self.at_least(digits), self.precision.is_none())
    }

    fn float(&self, value: f64, conversion: char) -> String {
        let sign = self.sign(value.is_sign_negative());
        let precision = self.precision.unwrap_or(6);
        let magnitude = value.abs();
        let digits = match conversion.to_ascii_lowercase() {
            _ if !value.is_finite() => if value.is_nan() { "nan" } else { "inf" }.to_owned(),
            'f' => format!("{magnitude:.precision$}"),
            'e' => exponential(magnitude, precision),
            'a' => hexadecimal(magnitude),
            _ => general(magnitude, precision.max(1), self.alternate),
        };
        let digits = if conversion.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
        self.number(sign, digits, value.is_finite())
    }
}

/// C writes at least two digits of exponent, with its sign.
fn exponential(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

fn general(value: f64, precision: usize, keep_zeros: bool) -> String {
    let scientific = exponential(value, precision - 1);
    let exponent: i32 =
        scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    if exponent < -4 || exponent >= precision as i32 {
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
        return format!("{}e{exponent}", trimmed(digits, keep_zeros));
    }
    let decimals = (precision as i32 - 1 - exponent).max(0) as usize;
    trimmed(&format!("{value:.decimals$}"), keep_zeros).to_owned()
}

fn trimmed(digits: &str, keep_zeros: bool) -> &str {
    if keep_zeros || !digits.contains('.') {
        digits
    } else {
        digits.trim_end_matches('0').trim_end_matches('.')
    }
}

/// As C's `%a` writes a double.
fn hexadecimal(value: f64) -> String {
    let bits = value.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
    let (leading, exponent) = match (exponent, fraction) {
        (0, 0) => (0, 0),
        (0, _) => (0, -1022),
        _ => (1, exponent - 1023),
    };
    let digits = format!("{fraction:013x}");
    let digits = digits.trim_end_matches('0');
    let point = if digits.is_empty() { "" } else { "." };
    format!("0x{leading}{point}{digits}p{exponent:+}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_c_prints_them() {
        let spec = |width, precision, zero| Spec { width, precision, zero, ..Spec::default() };
        assert_eq!(spec(5, None, true).signed(-42), "-0042");
        assert_eq!(spec(5, None, false).signed(42), "   42");
        assert_eq!(spec(0, Some(3), false).signed(7), "007");
        assert_eq!(Spec { alternate: true, ..Spec::default() }.unsigned(255, 'x'), "0xff");
        assert_eq!(spec(0, Some(2), false).float(1.005, 'f'), "1.00");
        assert_eq!(spec(0, None, false).float(0.0001, 'g'), "0.0001");
        assert_eq!(spec(0, None, false).float(123456789.0, 'g'), "1.23457e+08");
        assert_eq!(spec(0, Some(3), false).float(12345.678, 'e'), "1.235e+04");
        assert_eq!(spec(8, None, true).float(f64::INFINITY, 'f'), "     inf");
        assert_eq!(spec(0, None, false).float(1.0, 'a'), "0x1p+0");
        assert_eq!(spec(0, None, false).float(0.5, 'g'), "0.5");
    }
}
