//! What Vast's answers mean. A field that is missing or odd makes an offer unusable, never a panic.

use serde_json::Value;

use crate::cost::{MicroDollars, Price};
use crate::provider::{Condition, Listed, Offer, Reach, RemoteId, Tag, Traits};

/// Numbers come as numbers, and sometimes as text.
pub fn number(value: &Value, field: &str) -> Option<f64> {
    match value.get(field)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|number| number.is_finite())
}

pub fn id(value: Option<&Value>) -> Option<RemoteId> {
    match value? {
        Value::Number(number) => Some(RemoteId(number.as_u64()?.to_string())),
        Value::String(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(RemoteId(text.clone()))
        }
        _ => None,
    }
}

fn text(value: &Value, field: &str) -> Option<String> {
    Some(value.get(field)?.as_str()?.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Dollars, rounded up to whole micro-dollars: an estimate must not be too low.
fn money(dollars: f64) -> MicroDollars {
    // What is charged is a decimal fraction, which binary fractions miss by less than this.
    MicroDollars((dollars * 1e6 - 1e-4).ceil().max(0.0) as u64)
}

fn megabytes(value: &Value, field: &str) -> Option<u64> {
    number(value, field).filter(|mb| *mb >= 0.0).map(|mb| mb as u64)
}

pub fn offer(value: &Value, spot: bool, margin_percent: u64) -> Option<Offer> {
    let id = id(value.get("id").or(value.get("ask_contract_id")))?;
    let listed = money(number(value, "dph_total").filter(|dollars| *dollars > 0.0)?);
    let bid =
        || number(value, "min_bid").map(|bid| MicroDollars(money(bid).0 * (100 + margin_percent) / 100));
    let per_hour = if spot { bid()? } else { listed };
    let per_gb = |field| number(value, field).map_or(MicroDollars(0), money);
    let gpu = text(value, "gpu_name");
    let vram_mb = megabytes(value, "gpu_ram");
    let region = text(value, "geolocation");
    let reliability = number(value, "reliability2").or(number(value, "reliability"));
    let verified = text(value, "verification").is_some_and(|word| word == "verified");
    let words = [gpu.clone(), vram_mb.map(|mb| format!("{} GB", (mb + 512) / 1024)), region.clone()];
    Some(Offer {
        id: id.0,
        description: words.into_iter().flatten().collect::<Vec<_>>().join(", "),
        price: Price {
            per_hour,
            grain_ms: 1_000,
            least_ms: 0,
            up_per_gb: per_gb("inet_down_cost"),
            down_per_gb: per_gb("inet_up_cost"),
        },
        host: value.get("machine_id").and_then(Value::as_u64).map(|id| id.to_string()),
        traits: Traits {
            gpu,
            vram_mb,
            ram_mb: megabytes(value, "cpu_ram"),
            region,
            spot,
            trusted: verified || value.get("verified") == Some(&Value::Bool(true)),
            cuda: number(value, "cuda_max_good").map(cuda_version),
            reliability_permille: reliability.map(|share| (share * 1e3).clamp(0.0, 1e3) as u32),
        },
    })
}

/// As cuda.h counts: 12080 for 12.8.
fn cuda_version(version: f64) -> u32 {
    let tenths = (version.clamp(0.0, 1e3) * 10.0).round() as u32;
    tenths / 10 * 1_000 + tenths % 10 * 10
}

/// What one machine of a poll is at.
pub fn condition(instance: &Value, port: u16) -> Condition {
    let words = text(instance, "status_msg").unwrap_or_default();
    let states = ["cur_state", "intended_status", "next_state"].map(|field| text(instance, field));
    if states.iter().all(|state| state.as_deref() == Some("stopped")) {
        return Condition::Stopped("it was taken away: somebody bid more, or its host stopped it".into());
    }
    let stopped = |state: &str| match words.is_empty() {
        true => Condition::Stopped(format!("its container is {state}")),
        false => Condition::Stopped(format!("its container is {state}: {words}")),
    };
    match text(instance, "actual_status").as_deref() {
        Some(state @ ("exited" | "unknown" | "offline" | "stopped")) => stopped(state),
        Some("created") if words.contains("OCI runtime create failed") => stopped("not started"),
        Some("running") => match address(instance, port) {
            Some(address) => Condition::Running(Reach::Address(address)),
            None => Condition::Booting("it runs, its port is not mapped yet".into()),
        },
        Some(state) if !words.is_empty() => Condition::Booting(format!("{state}: {words}")),
        Some(state) => Condition::Booting(state.to_owned()),
        None => Condition::Booting("it waits for its host".into()),
    }
}

/// The map of ports is docker's, whatever the API's description calls it.
fn address(instance: &Value, port: u16) -> Option<String> {
    let host = text(instance, "public_ipaddr")?;
    let mapped = instance.get("ports")?.get(format!("{port}/udp"))?.get(0)?.get("HostPort")?;
    let mapped: u16 = match mapped {
        Value::String(text) => text.trim().parse().ok()?,
        other => u16::try_from(other.as_u64()?).ok()?,
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Some(format!("{host}:{mapped}"))
}

/// A machine whose label is a tag of ours.
pub fn listed(instance: &Value) -> Option<Listed> {
    let tag = Tag::parse(&text(instance, "label")?)?;
    Some(Listed { remote: id(instance.get("id"))?, tag })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_offer_is_read_as_the_api_writes_it() {
        let value = json!({
            "id": 6995713, "machine_id": 77, "gpu_name": "RTX 4090", "gpu_ram": 24564, "dph_total": 0.34,
            "cuda_max_good": 12.8, "reliability2": 0.995, "geolocation": "Sweden, SE", "verification": "verified",
            "inet_down_cost": 0.002, "inet_up_cost": 0.01, "cpu_ram": 64000, "min_bid": 0.2,
        });
        let offer = super::offer(&value, false, 10).unwrap();
        assert_eq!((offer.id.as_str(), offer.price.per_hour), ("6995713", MicroDollars(340_000)));
        assert_eq!(offer.description, "RTX 4090, 24 GB, Sweden, SE");
        assert_eq!(offer.host.as_deref(), Some("77"));
        assert_eq!((offer.traits.cuda, offer.traits.reliability_permille), (Some(12_080), Some(995)));
        // What goes up to the machine is what its host receives.
        assert_eq!(offer.price.up_per_gb, MicroDollars(2_000));
        assert_eq!(super::offer(&value, true, 10).unwrap().price.per_hour, MicroDollars(220_000));
        for broken in [json!({}), json!({ "id": 1 }), json!({ "id": 1, "dph_total": -1 }), json!([])] {
            assert_eq!(super::offer(&broken, false, 10), None, "{broken}");
        }
    }

    #[test]
    fn each_state_of_a_machine_is_told_apart() {
        let running = json!({
            "actual_status": "running", "public_ipaddr": " 1.2.3.4\n",
            "ports": { "4433/udp": [{ "HostIp": "0.0.0.0", "HostPort": "40123" }] },
        });
        match condition(&running, 4433) {
            Condition::Running(Reach::Address(address)) => assert_eq!(address, "1.2.3.4:40123"),
            other => panic!("{other:?}"),
        }
        let is_booting = |value| matches!(condition(&value, 4433), Condition::Booting(_));
        assert!(is_booting(json!({ "actual_status": null })));
        assert!(is_booting(json!({ "actual_status": "loading", "status_msg": "pulling" })));
        assert!(is_booting(json!({ "actual_status": "running", "public_ipaddr": "1.2.3.4", "ports": {} })));
        let is_stopped = |value| matches!(condition(&value, 4433), Condition::Stopped(_));
        assert!(is_stopped(json!({ "actual_status": "exited" })));
        assert!(is_stopped(
            json!({ "actual_status": "created", "status_msg": "x: OCI runtime create failed: y" })
        ));
        let taken = json!({ "actual_status": "running", "cur_state": "stopped", "intended_status": "stopped", "next_state": "stopped" });
        assert!(is_stopped(taken));
    }
}
