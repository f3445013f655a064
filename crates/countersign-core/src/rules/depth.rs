//! How deep a rule file nests, found without parsing it: Cedar's parser recurses, and a file that exhausts its stack
//! would end the process that was only asked whether the file is good.

/// Deepest nesting of brackets in a file, and of operators in a condition. Cedar's evaluator errs when its stack runs
/// out, which would make a decision depend on the machine.
pub const MAX_DEPTH: usize = 48;
/// Most operators and open brackets in one rule: chains such as `a && b && c` nest without brackets. About 130 exhaust
/// the 2 MiB of a thread in a debug build.
pub const MAX_OPERATORS: usize = 80;

/// Where the text first nests too deep, as an offset. Counts too much rather than too little: every `.`, `&&`, `||`,
/// `+`, `-`, `*`, `!` and `if` outside strings and comments may open a level.
pub(super) fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut operators = 0_usize;
    let mut place = Place::Code;
    let mut previous = b' ';
    for (offset, byte) in text.bytes().enumerate() {
        place = match (place, byte) {
            (Place::Code, b'"') => Place::Text,
            (Place::Code, b'/') if previous == b'/' => Place::Comment,
            (Place::Code, _) => {
                match byte {
                    b'(' | b'[' | b'{' => depth = depth.saturating_add(1),
                    b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                    b'.' | b'+' | b'-' | b'*' | b'!' => operators = operators.saturating_add(1),
                    b'&' | b'|' if previous == byte => operators = operators.saturating_add(1),
                    b'f' if previous == b'i' => operators = operators.saturating_add(1),
                    b';' => operators = 0,
                    _ => {}
                }
                Place::Code
            }
            (Place::Text, b'\\') => Place::Escape,
            (Place::Text, b'"') => Place::Code,
            (Place::Text | Place::Escape, _) => Place::Text,
            (Place::Comment, b'\n' | b'\r') => Place::Code,
            (Place::Comment, _) => Place::Comment,
        };
        if depth > MAX_DEPTH || operators.saturating_add(depth) > MAX_OPERATORS {
            return Some(offset);
        }
        previous = byte;
    }
    None
}

#[derive(Clone, Copy)]
enum Place {
    Code,
    Text,
    Escape,
    Comment,
}
