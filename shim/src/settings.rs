//! The variables of the program's environment that mean something to the shim.

use farwarp_protocol::limits::VARIABLE_BYTES_MAX;
use farwarp_protocol::snapshot::{DeviceSnapshot, PASSED_ON};

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| value.len() <= VARIABLE_BYTES_MAX)
}

/// Whether a variable says yes.
pub fn is_on(name: &str) -> bool {
    variable(name).is_some_and(|value| !value.is_empty() && value != "0")
}

/// A set-uid program's environment is its caller's, who may not choose what it talks to.
pub fn trusted(name: &str) -> Option<String> {
    if crate::state::is_set_uid() { None } else { variable(name).filter(|value| !value.is_empty()) }
}

/// What the worker sets before it loads the driver.
pub fn passed_on() -> Vec<(String, String)> {
    PASSED_ON.iter().filter_map(|name| Some((name.to_string(), variable(name)?))).collect()
}

/// The server's ordinals of the devices that the program sees, in its order, by CUDA_DEVICE_ORDER and CUDA_VISIBLE_DEVICES.
pub fn visible_devices(devices: &[DeviceSnapshot]) -> Vec<usize> {
    let order = variable("CUDA_DEVICE_ORDER");
    select(devices, order.as_deref(), variable("CUDA_VISIBLE_DEVICES").as_deref())
}

fn select(devices: &[DeviceSnapshot], order: Option<&str>, visible: Option<&str>) -> Vec<usize> {
    let mut all: Vec<usize> = (0..devices.len()).collect();
    if order == Some("PCI_BUS_ID") {
        all.sort_by_key(|index| devices[*index].pci_bus_id.to_ascii_uppercase());
    }
    let Some(visible) = visible else { return all };
    let mut chosen = Vec::new();
    for entry in visible.split(',').map(str::trim) {
        // What CUDA cannot make sense of ends the list; what came before it stays.
        let Some(device) = named(devices, &all, entry) else { break };
        if chosen.contains(&device) {
            // A device named twice leaves none visible.
            return Vec::new();
        }
        chosen.push(device);
    }
    chosen
}

/// The device that one entry of CUDA_VISIBLE_DEVICES names: an ordinal, or the beginning of a UUID that fits one device only.
fn named(devices: &[DeviceSnapshot], all: &[usize], entry: &str) -> Option<usize> {
    if let Some(prefix) = entry.strip_prefix("GPU-").or_else(|| entry.strip_prefix("gpu-")) {
        let mut fitting = all.iter().copied().filter(|index| {
            let uuid = uuid_text(&devices[*index].uuid);
            !prefix.is_empty() && uuid.starts_with(&prefix.to_ascii_lowercase())
        });
        return match (fitting.next(), fitting.next()) {
            (Some(device), None) => Some(device),
            _ => None,
        };
    }
    // The driver reads a number as atoi does: digits up to the first other character.
    let digits: String = entry.chars().take_while(char::is_ascii_digit).collect();
    all.get(digits.parse::<usize>().ok()?).copied()
}

/// A UUID as nvidia-smi prints it, without the "GPU-".
pub fn uuid_text(uuid: &[u8; 16]) -> String {
    let hex: Vec<String> = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[0..4], &hex[4..6], &hex[6..8], &hex[8..10], &hex[10..16]].map(|group| group.concat()).join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices() -> Vec<DeviceSnapshot> {
        [(0xaa, "0000:90:00.0"), (0xab, "0000:10:00.0"), (0xcc, "0000:50:00.0")]
            .map(|(first, pci)| DeviceSnapshot {
                name: String::new(),
                uuid: [first; 16],
                luid: Err(801),
                total_bytes: 0,
                pci_bus_id: pci.into(),
                attributes: Vec::new(),
                peers: Vec::new(),
                granularity: [0; 2],
                affinity: Vec::new(),
                priorities: (0, 0),
            })
            .into()
    }

    #[test]
    fn visible_devices_is_honoured_in_every_form() {
        let devices = devices();
        let with = |visible: &str| select(&devices, None, Some(visible));
        assert_eq!(select(&devices, None, None), [0, 1, 2]);
        assert_eq!(with("2,0"), [2, 0]);
        assert_eq!(with(" 1 , 2"), [1, 2]);
        assert_eq!(with(""), [] as [usize; 0]);
        assert_eq!(with("-1"), [] as [usize; 0]);
        assert_eq!(with("NoDevFiles"), [] as [usize; 0]);
        assert_eq!(with("1,9,0"), [1], "what does not exist ends the list");
        assert_eq!(with("0,0"), [] as [usize; 0], "a device named twice leaves none");
        assert_eq!(with("GPU-cccccccc-cccc-cccc-cccc-cccccccccccc,0"), [2, 0]);
        assert_eq!(with("GPU-c"), [2]);
        assert_eq!(with("GPU-a"), [] as [usize; 0], "a beginning that fits two names none");
        assert_eq!(with("GPU-aa"), [0]);
    }

    #[test]
    fn device_order_comes_before_the_choice() {
        let devices = devices();
        assert_eq!(select(&devices, Some("PCI_BUS_ID"), None), [1, 2, 0]);
        assert_eq!(select(&devices, Some("PCI_BUS_ID"), Some("0")), [1]);
        assert_eq!(select(&devices, Some("FASTEST_FIRST"), Some("0")), [0]);
    }
}
