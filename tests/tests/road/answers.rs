//! What calls return: codes, and what is known of devices and functions.

use crate::well_on_both_roads;

#[test]
fn wrong_uses_return_the_drivers_codes_and_harm_nothing() {
    well_on_both_roads("wrong_uses", &[]);
}
