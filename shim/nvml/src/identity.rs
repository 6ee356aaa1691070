//! The names by which a device is asked for: its UUID and its place on the PCI bus, read and written as NVML spells them.

/// The 16 bytes of a device's UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// `GPU-` and the bytes in groups of 4, 2, 2, 2 and 6.
    pub fn spelled(&self) -> String {
        let mut text = String::from("GPU");
        for (place, byte) in self.0.iter().enumerate() {
            if matches!(place, 0 | 4 | 6 | 8 | 10) {
                text.push('-');
            }
            text.push_str(&format!("{byte:02x}"));
        }
        text
    }

    /// `None` if `text` is no UUID of a GPU, a shortened one included.
    pub fn parse(text: &str) -> Option<Uuid> {
        let digits: String = text.strip_prefix("GPU-")?.split('-').collect();
        let number = u128::from_str_radix(&digits, 16).ok()?;
        let uuid = Uuid(number.to_be_bytes());
        uuid.spelled().eq_ignore_ascii_case(text).then_some(uuid)
    }
}

/// Where a device is plugged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PciPlace {
    pub domain: u32,
    pub bus: u32,
    pub device: u32,
}

impl PciPlace {
    /// As it is spelled since the domain has 32 bits.
    pub fn spelled(&self) -> String {
        format!("{:08X}:{:02X}:{:02X}.0", self.domain, self.bus, self.device)
    }

    pub fn spelled_legacy(&self) -> String {
        format!("{:04X}:{:02X}:{:02X}.0", self.domain, self.bus, self.device)
    }

    /// `domain:bus:device.function`; the domain and the function may be missing. A GPU is function 0.
    pub fn parse(text: &str) -> Option<PciPlace> {
        let text = text.strip_suffix(".0").unwrap_or(text);
        let mut parts = text.split(':').map(hexadecimal).rev();
        let device = parts.next()??;
        let bus = parts.next()??;
        let domain = parts.next().unwrap_or(Some(0))?;
        parts.next().is_none().then_some(PciPlace { domain, bus, device })
    }
}

fn hexadecimal(digits: &str) -> Option<u32> {
    // `from_str_radix` would let a sign pass.
    let digits_only = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    digits_only.then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: Uuid = Uuid(*b"\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef");

    #[test]
    fn a_uuid_is_read_as_it_is_spelled() {
        assert_eq!(UUID.spelled(), "GPU-01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(Uuid::parse(&UUID.spelled()), Some(UUID));
        assert_eq!(Uuid::parse("GPU-01234567-89AB-CDEF-0123-456789ABCDEF"), Some(UUID));
    }

    #[test]
    fn what_is_no_uuid_is_not_read_as_one() {
        for text in [
            "",
            "GPU-",
            "GPU-01234567",
            "01234567-89ab-cdef-0123-456789abcdef",
            "MIG-01234567-89ab-cdef-0123-456789abcdef",
            "GPU-0123456789abcdef0123456789abcdef",
            "GPU-01234567-89ab-cdef-0123-456789abcdef0",
            "GPU-01234567-89ab-cdef-0123-456789abcdeg",
        ] {
            assert_eq!(Uuid::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_place_is_read_in_every_spelling_in_use() {
        let place = PciPlace { domain: 0, bus: 0xA1, device: 2 };
        for text in ["00000000:A1:02.0", "0000:a1:02.0", "0:a1:2", "a1:02.0", "A1:2"] {
            assert_eq!(PciPlace::parse(text), Some(place), "{text:?}");
        }
        assert_eq!(place.spelled(), "00000000:A1:02.0");
        assert_eq!(place.spelled_legacy(), "0000:A1:02.0");
    }

    #[test]
    fn what_is_no_place_is_not_read_as_one() {
        for text in ["", "a1", "0:0:a1:2", "x:a1:2", "a1:2.1", "a1:", "+1:2", "100000000:0:0"] {
            assert_eq!(PciPlace::parse(text), None, "{text:?}");
        }
    }
}
