//! Values that the suite makes up.

use provost_sdk::Value;

/// A value that an attribute of this name is likely to accept; `which` of two different ones. `unique` appears in
/// what many systems want to be unique.
pub(crate) fn value(attribute: &str, which: usize, unique: &str) -> Value {
    let name = attribute.to_lowercase();
    let has = |part: &str| name.contains(part);
    let text = if has("mail") {
        format!("{unique}@example.com")
    } else if has("phone") || has("mobile") {
        // Digits of the ASCII codes, so that two unique texts give two numbers.
        let digits: String = unique.bytes().rev().take(5).map(|byte| format!("{:02}", byte % 100)).collect();
        format!("+49{digits}")
    } else if has("url") || has("website") || has("photo") {
        format!("https://www.example.com/{unique}")
    } else if has("timezone") || has("zoneinfo") {
        ["Europe/Berlin", "Asia/Tokyo"][which % 2].to_owned()
    } else if has("locale") {
        ["en-US", "de-DE"][which % 2].to_owned()
    } else if has("language") {
        ["en", "de"][which % 2].to_owned()
    } else if has("external") || has("employee_number") || has("employeenumber") || has("nick") {
        unique.to_owned()
    } else if has("given") || has("first") {
        ["Ada", "Zoë"][which % 2].to_owned()
    } else if has("family") || has("last") {
        ["Osei", "Núñez-Lee"][which % 2].to_owned()
    } else if has("name") {
        ["Ada Osei", "Zoë Núñez-Lee"][which % 2].to_owned()
    } else {
        ["Engineering", "Research & Development"][which % 2].to_owned()
    };
    Value::Text(text)
}

/// A number in the digits and small letters that every system allows in a name.
pub(crate) fn base36(mut number: u64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut digits = Vec::new();
    loop {
        digits.push(DIGITS[(number % 36) as usize] as char);
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}
