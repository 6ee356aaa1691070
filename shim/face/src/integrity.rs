//! The question by which the CUDA runtime makes sure that it talks to the driver it was made for, and its answer.
//!
//! The answer is a keyed hash (HMAC over MD2) of facts about this process, this thread, these tables and the devices that
//! the program sees. It must be computed where the program runs: no server knows those addresses. A wrong answer
//! is error 103 in the runtime. Only the computation stands here; the table that is asked is in `export_tables`.

use hmac::{Hmac, KeyInit, Mac};
use md2::Md2;

use crate::DeviceIdentity;

/// All that the answer depends on.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub driver_version: u32,
    /// The runtime's version plus 0, 1 or 2: the last digit chooses what is asked.
    pub version: u32,
    pub process: u32,
    /// The low half of `pthread_self()`.
    pub thread: u32,
    pub runtime_table: u64,
    pub integrity_table: u64,
    pub integrity_function: u64,
    pub unix_s: u64,
    pub devices: &'a [DeviceIdentity],
}

impl Question<'_> {
    pub fn answer(&self) -> [u8; 16] {
        match self.version % 10 {
            0 => words(0x3341_181C_03CB_675C, GREETING),
            1 => words(0x1841_181C_03CB_675C, GREETING),
            _ => keyed_hash(&KEY, &self.record()),
        }
    }

    /// The hashed facts, packed, in the machine's byte order.
    fn record(&self) -> Vec<u8> {
        let mut record = Vec::new();
        for word in [self.driver_version, self.version, self.process, self.thread] {
            record.extend(word.to_le_bytes());
        }
        for word in [self.runtime_table, self.integrity_table, self.integrity_function, self.unix_s] {
            record.extend(word.to_le_bytes());
        }
        for device in self.devices {
            record.extend(device.uuid);
            for number in [device.pci_domain, device.pci_bus, device.pci_device] {
                record.extend(number.to_le_bytes());
            }
        }
        record
    }
}

/// The second word of the two fixed answers.
const GREETING: u64 = 0x8ED3_83AA_1F4C_D1E8;

const KEY: [u8; 16] =
    [0x14, 0x6A, 0xDD, 0xAE, 0x53, 0xA9, 0xA7, 0x52, 0xAA, 0x08, 0x41, 0x36, 0x0B, 0xF5, 0x5A, 0x9F];

fn words(first: u64, second: u64) -> [u8; 16] {
    let mut answer = [0; 16];
    answer[..8].copy_from_slice(&first.to_le_bytes());
    answer[8..].copy_from_slice(&second.to_le_bytes());
    answer
}

fn keyed_hash(key: &[u8], message: &[u8]) -> [u8; 16] {
    let mut mac = Hmac::<Md2>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use md2::Digest;

    use super::*;

    fn md2(message: &[u8]) -> [u8; 16] {
        Md2::digest(message).into()
    }

    fn hex(bytes: [u8; 16]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_hash_is_md2_of_rfc_1319() {
        let suite = [
            ("", "8350e5a3e24c153df2275c9f80692773"),
            ("a", "32ec01ec4a6dac72c0ab96fb34c0b5d1"),
            ("abc", "da853b0d3f88d99b30283a69e6ded6bb"),
            ("message digest", "ab4f496bfb2a530b219ff33031fe06b0"),
            ("abcdefghijklmnopqrstuvwxyz", "4e8ddff3650292ab5a4108c3aa47940b"),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                "da33def2a42df13975352846c30338cd",
            ),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "d5976f79d83d3a0dc9806c3c66f3efd8",
            ),
        ];
        for (message, digest) in suite {
            assert_eq!(hex(md2(message.as_bytes())), digest, "MD2 of {message:?}");
        }
    }

    /// RFC 2104 with the hash's block of 16 bytes: H(key ^ opad, H(key ^ ipad, message)).
    #[test]
    fn the_keyed_hash_is_hmac_over_md2() {
        for message in [&b""[..], b"abc", &[0x5A; 100]] {
            let inner = md2(&[&KEY.map(|byte| byte ^ 0x36)[..], message].concat());
            let outer = md2(&[KEY.map(|byte| byte ^ 0x5C), inner].concat());
            assert_eq!(keyed_hash(&KEY, message), outer);
        }
    }

    const DEVICE: DeviceIdentity =
        DeviceIdentity { uuid: *b"0123456789abcdef", pci_domain: 1, pci_bus: 2, pci_device: 3 };

    fn question(version: u32, devices: &[DeviceIdentity]) -> Question<'_> {
        Question {
            driver_version: 13050,
            version,
            process: 7,
            thread: 8,
            runtime_table: 9,
            integrity_table: 10,
            integrity_function: 11,
            unix_s: 12,
            devices,
        }
    }

    #[test]
    fn the_first_two_questions_have_fixed_answers() {
        assert_eq!(hex(question(13050, &[]).answer()), "5c67cb031c184133e8d14c1faa83d38e");
        assert_eq!(hex(question(12091, &[]).answer()), "5c67cb031c184118e8d14c1faa83d38e");
    }

    #[test]
    fn the_record_is_packed_and_holds_every_device() {
        assert_eq!(question(13052, &[]).record().len(), 4 * 4 + 4 * 8);
        let record = question(13052, &[DEVICE, DEVICE]).record();
        assert_eq!(record.len(), 4 * 4 + 4 * 8 + 2 * 28);
        assert_eq!(record[..8], [0xFA, 0x32, 0, 0, 0xFC, 0x32, 0, 0]);
        assert_eq!(record[40..48], 12u64.to_le_bytes());
        assert_eq!(&record[48..64], b"0123456789abcdef");
        assert_eq!(record[64..76], [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]);
    }

    #[test]
    fn every_fact_changes_the_answer() {
        let devices = [DEVICE];
        let asked = question(13052, &devices).answer();
        let others = [
            Question { driver_version: 13040, ..question(13052, &devices) },
            Question { version: 13053, ..question(13052, &devices) },
            Question { process: 0, ..question(13052, &devices) },
            Question { thread: 0, ..question(13052, &devices) },
            Question { runtime_table: 0, ..question(13052, &devices) },
            Question { integrity_table: 0, ..question(13052, &devices) },
            Question { integrity_function: 0, ..question(13052, &devices) },
            Question { unix_s: 0, ..question(13052, &devices) },
            question(13052, &[]),
            question(13052, &[DeviceIdentity { uuid: [0; 16], ..DEVICE }]),
            question(13052, &[DeviceIdentity { pci_domain: 0, ..DEVICE }]),
            question(13052, &[DeviceIdentity { pci_bus: 0, ..DEVICE }]),
            question(13052, &[DeviceIdentity { pci_device: 0, ..DEVICE }]),
        ];
        for other in others {
            assert_ne!(other.answer(), asked, "{other:?}");
        }
    }
}
