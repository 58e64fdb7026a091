#!/usr/bin/env bash
# Takes the control of each attack of docs/THREAT-MODEL.md out, one at a time, builds, and sees the attack succeed (its
# test fails) while what is harmless goes on (the twin passes, where it is a test of its own).
#
#   tests/threats.sh            every row: half an hour, so by hand or at night
#   tests/threats.sh NAME...    these rows
#   tests/threats.sh --look     only whether every control is still where this file says
#
# Works on a copy of what is committed, which it keeps below THREATS_TARGET_DIR (target/threats), so that what was built is
# built again only where it changed. Needs git, perl and cargo.
set -uo pipefail
cd "$(dirname "$0")/.."

# Name of the test that attacks, as the page has it; file; what is replaced (perl, over the whole file); by what. A name that
# stands several times has several controls, which are taken out together.
rows=$(cat <<'ROWS'
commit_without_approval	src/core/src/evidence.rs	tier == Risk::Low \|\| self\.of\(identity, power, tier\)\.any	true || self.of(identity, power, tier).any
one_signature_of_two	src/core/src/approval/judge.rs	people\.len\(\) < usize::from\(asked_people\(part, &authorship\)\)	people.is_empty()
until_prolonged_after_approval	src/core/src/approval/judge.rs	let Window \{ from, until \} = grant\.window\(\);	let (from, until) = (Timestamp::MIN, Timestamp::MAX);
until_prolonged_after_approval	src/core/src/approval/judge.rs	common\(\[time\], &self\.council\.asked	common([Window::ALWAYS], &self.council.asked
a_grant_that_ended_and_came_back	src/core/src/approval/judge.rs	match uses\.left\.get\(&key\) \{	match None::<&Vec<(Timestamp, Timestamp)>> {
the_author_approves	src/core/src/approval/judge.rs	\(authorship\.people\.contains\(approver\) && !part\.authors_count, Refusal::Author\)	(false, Refusal::Author)
an_earlier_author_approves	src/core/src/approval/judge.rs	\(authorship\.people\.contains\(approver\) && !part\.authors_count, Refusal::Author\)	(false, Refusal::Author)
a_forged_author	src/core/src/approval/judge.rs	u8::from\(authorship\.unknown && !part\.authors_count\)	u8::from(false)
whoever_gains_approves	src/core/src/approval/judge.rs	\(gains\.contains\(approver\), Refusal::Gains\)	(false, Refusal::Gains)
replay_on_another_installation	src/core/src/approval/judge.rs	approval\.installation == self\.given\.installation	!approval.installation.is_empty()
a_denial_deleted_from_the_branch	src/core/src/approval/judge.rs	let mut denied = self\.given\.uses\.denied\.clone\(\);	let mut denied = BTreeMap::new();
an_expired_key_with_a_backdated_signature	src/core/src/approval/signers.rs	&& self\.valid_before\.is_none_or\(\|last\| at < after\(last\)\)	
a_key_revoked_between_first_sight_and_use	src/core/src/approval/signers.rs	\(!self\.revoked\.is_some_and\(\|revoked\| revoked\.has\(key\)\)\)\.then_some\(person\)	Some(person)
a_signer_who_departed_since	src/core/src/approval/judge.rs	\(!seen\.active \|\| !self\.council\.is_active\(\*approver\), Refusal::Inactive\)	(false, Refusal::Inactive)
two_keys_of_one_person	src/core/src/approval/judge.rs	if people\.len\(\) < usize	if counted.len() < usize
somebody_elses_key	src/core/src/approval/signers.rs	self\.owner\(key, NAMESPACE, at\) == Some\(person\)	self.owner(key, NAMESPACE, at).is_some() && !person.as_str().is_empty()
a_signature_for_another_purpose	src/core/src/approval/signers.rs	self\.namespaces\.as_ref\(\)\.is_none_or\(\|names\| names\.iter\(\)\.any\(\|name\| \*name == \*namespace\)\)	!namespace.is_empty()
a_wildcard_principal	src/core/src/approval/signers.rs	if name\.contains\(\['\*', '\?', '!'\]\) \{\n        return Err\(format!\("`\{\}` is a pattern	if false {\n        return Err(format!("`{}` is a pattern
a_wildcard_principal	src/core/src/approval/signers.rs	if !crate::document::is_id\(name\)	if name.is_empty()
one_key_for_two_people	src/core/src/approval/signers.rs	other\.person != one\.person	other.person != one.person && other.key != one.key
risk_lowered_by_the_one_who_gains	src/core/src/snapshot/amend.rs	version\.tier == Risk::Low \|\|	version.tier == Risk::Low || version.kind == Kind::Target ||
owner_changed_by_the_one_who_gains	src/core/src/snapshot/amend.rs	version\.tier == Risk::Low \|\|	version.tier == Risk::Low || version.kind == Kind::Target ||
a_secret_delivery_or_connector_changed_by_a_committer	src/core/src/snapshot/amend.rs	version\.tier == Risk::Low \|\|	version.tier == Risk::Low || version.kind == Kind::Target ||
a_key_that_the_commit_itself_brings	src/core/src/snapshot/amend.rs	version\.tier == Risk::Low \|\|	version.tier == Risk::Low || version.kind == Kind::AllowedSigners ||
a_new_role_of_a_friend_that_grants_what_others_own	src/core/src/approval/judge.rs	\(!in_pool, Refusal::NotInPool\)	(!in_pool && false, Refusal::NotInPool)
an_owner_departed_whose_successor_is_a_friend	src/core/src/approval/judge.rs	\(!in_pool, Refusal::NotInPool\)	(!in_pool && false, Refusal::NotInPool)
own_department_changed_to_meet_a_condition	src/core/src/evidence.rs	tier == Risk::Low \|\| self\.of\(identity, power, tier\)\.any	true || self.of(identity, power, tier).any
a_policy_change_that_approves_itself	src/core/src/approval/rules.rs	\[part\(standing\)\]\.into\(\)	[part(standing)].into_iter().filter(|_| false).collect()
a_policy_change_that_approves_itself	src/core/src/approval/judge.rs	\(gains\.contains\(approver\), Refusal::Gains\)	(false, Refusal::Gains)
the_last_administrator	src/core/src/gate.rs	in last_admins\(plan, world\)	in last_admins(plan, world).into_iter().take(0)
all_people_removed_at_once	src/core/src/gate.rs	in tripped\(plan, limits, history, world\.now, &past\)	in tripped(plan, limits, history, world.now, &past).into_iter().take(0)
a_slow_bleed_under_the_guard	src/core/src/guard.rs	limit\.window\.map_or\(0, \|window\| history\.since\(part, now - window\.0, known\)\)	limit.window.map_or(0, |window| 0 * history.since(part, now - window.0, known))
a_file_moved_beside_one_that_cannot_be_read	src/core/src/snapshot/amend.rs	if !self\.unreadable\.is_empty\(\)	if false
a_forced_push	src/core/src/plan/site.rs	world\.hold\.or\(view\.hold\)	view.hold
an_account_renamed_into_a_protected_name	src/core/src/plan/site.rs	if identity\.is_some_and\(\|identity\| self\.world\.desired\.is_person\(identity\)\)	if false
provosts_own_credential	src/core/src/plan/site.rs	self\.view\.own_accounts\.iter\(\)\.any\(\|own\| \*own == \*account\.anchor\.as_str\(\)\)	false
provosts_own_credential	src/core/src/lint.rs	view\.own_accounts\.iter\(\)\.any\(\|own\| \*own == anchor\)	false
another_server_behind_the_same_target	src/core/src/approval/rules.rs	if request\.place\(\)\.is_some_and\(	if false && request.place().is_some_and(
an_override_by_one_person	src/core/src/approval/judge.rs	people\.len\(\) < usize::from\(asked_people\(part, &authorship\)\)	people.is_empty()
the_same_power_by_a_second_harmless_role	src/core/src/evidence.rs	tier == Risk::Low \|\| self\.of\(identity, power, tier\)\.any	true || self.of(identity, power, tier).any
the_same_power_by_a_second_harmless_role	src/core/src/snapshot/amend.rs	version\.tier == Risk::Low \|\|	version.tier == Risk::Low || version.kind == Kind::Role ||
a_document_in_conflict_with_a_standing_one	src/core/src/snapshot/check/names.rs	if others\.is_empty\(\) \{\n                continue;	if others.len() < 9 {\n                continue;
a_second_policy_beside_the_standing_one	src/core/src/snapshot/check/names.rs	if !others\.is_empty\(\) \{\n            let message	if others.len() > 9 {\n            let message
the_pinned_anchor_of_an_administrators_account	src/core/src/approval/rules.rs	\.chain\(\[alone\]\)\.max\(\)\.unwrap_or_default\(\)	.chain([alone]).max().unwrap_or_default().min(Risk::Normal)
a_group_renamed_into_an_approved_name	src/core/src/observed/names.rs	Some\(known\) if \*known != now =>	Some(known) if *known != now && false =>
a_group_renamed_into_an_approved_name	src/core/src/approval/judge.rs	if now != agreed => \{\}	if now != agreed && false => {}
a_group_renamed_into_an_approved_name	src/core/src/evidence.rs	agreement\.anchor\.is_none_or\(\|agreed\| agreed == anchor\)	agreement.anchor.is_none_or(|agreed| agreed == anchor || true)
a_hand_made_nesting_of_groups	src/core/src/access/risk.rs	around\.declared \|\| by_hand	around.declared || (by_hand && false)
an_account_renamed_to_a_joiners_name_before_she_comes	src/core/src/plan/account.rs	None => return Some\(of\(anchor, \"username\"\)\),	None => {}
the_email_of_an_administrator_changed_to_ones_own	src/core/src/gate.rs	&& required\.things\.iter\(\)\.all\(\|thing\| evidence\.agreed\(thing, tier\)\)	
an_empty_read	src/core/src/observed/merge.rs	\(empty \|\| shrunken\)\.then	(empty && before > 1_000_000 && shrunken).then
a_bomb_of_aliases	src/core/src/document/plain.rs	b'&' \| b'\*' \| b'!'	b'!'
a_bomb_of_aliases	src/core/src/document/tree.rs	if anchor != 0 \{	if anchor > 1_000_000 {
a_document_without_a_bottom	src/core/src/document/tree.rs	const MAX_DEPTH: usize = 24;	const MAX_DEPTH: usize = 1 << 20;
a_document_without_an_end	src/core/src/document/parse.rs	256 << 10;	256 << 20;
a_bomb_of_conditions	src/core/src/condition/scan.rs	const LENGTH: usize = 2048;	const LENGTH: usize = 1 << 24;
a_bomb_of_conditions	src/core/src/condition/scan.rs	const TOKENS: usize = 400;	const TOKENS: usize = 1 << 20;
text_that_runs_backwards	src/core/src/document/plain.rs	'\\u\{2028\}'\.\.='\\u\{202e\}'	'~'..='~'
a_terminal_sequence_in_a_name	src/core/src/document/plain.rs	\(c\.is_control\(\) && c != '\\n' && c != '\\t' && c != '\\r'\)	c == '~'
a_newline_in_a_name	src/core/src/document/check.rs	if text\.as_str\(\)\.contains\('\\n'\)	if text.as_str().contains('~')
a_secret_in_a_document	src/core/src/document/check/rules.rs	\|\| has_user	|| (has_user && false)
an_author_is_known_by_a_signature_and_by_nothing_else	src/trust/examine.rs	key_of\(repository, commit\.id\(\)\)\.and_then\(\|key\| signer\(&key\)\)	Some(Sym::new(&format!("p-{}", String::from_utf8_lossy(commit.author().email_bytes()).split('@').next().unwrap_or_default())))
a_clean_merge_adds_nobody_and_a_merge_that_does_more_is_its_own_author	src/trust/examine.rs	if differs\[1 - side\]\.contains_key\(path\) \|\| changed_there\.contains\(path\)	if false && changed_there.contains(path)
authors_follow_a_document_to_another_path	src/trust/origins.rs	let blobs = \[entry\.before, entry\.blob\]\.into_iter\(\)\.flatten\(\);	let blobs = [entry.before, entry.blob].into_iter().flatten().take(0);
of_more_commits_than_are_looked_at_nobody_is_the_author	src/trust/examine.rs	count >= most\.commits	count > 100 * most.commits
what_is_no_ordinary_file_is_not_read_and_holds_nobody_up	src/git/tree.rs	Some\(\(id, REGULAR, _\)\)	Some((id, REGULAR | SYMLINK | EXECUTABLE, _))
a_replaced_object_is_not_read	src/git/program.rs	\.env\(\"GIT_NO_REPLACE_OBJECTS\", \"1\"\)	
what_was_tampered_with_is_taken_by_neither	src/audit/src/sshsig.rs	key\.verify\(namespace, message, &signature\)\n        \.map_err\(\|error\| NotSigned\(format!\(\"its signature is not of what it says: \{error\}\"\)\)\)\?;	let _ = message;
names_of_a_target_cannot_leave_their_place_in_the_tree	src/audit/src/path.rs	let plain = matches!\(byte, b'a'\.\.=b'z' \| b'0'\.\.=b'9' \| b'_' \| b'-'\);	let plain = true;
nothing_hostile_becomes_a_trailer_or_a_terminal_sequence	src/audit/src/message.rs	is_label_byte\(byte\)\)\n\}	is_label_byte(byte) || byte == 10)\n}
a_rewritten_branch_adds_nothing_and_is_shown_until_the_operator_trusts_it	src/git/mod.rs	return Ok\(Course::Unrelated\);	return Ok(Course::Forward);
a_rewritten_branch_adds_nothing_and_is_shown_until_the_operator_trusts_it	src/git/mod.rs	ErrorCode::NotFound => Ok\(Course::Unrelated\)	ErrorCode::NotFound => Ok(Course::Forward)
a_branch_that_is_moved_back_adds_nothing_until_it_comes_after_what_counts_again	src/git/mod.rs	Ok\(base\) if base == to => Ok\(Course::Back\)	Ok(base) if base == to => Ok(Course::Forward)
a_published_plan_that_the_commit_does_not_entail_is_marked_and_not_signed	src/approval/room.rs	entailed: false,	entailed: true,
with_recovery_keys_a_commit_is_trusted_by_the_signature_of_one_of_them_for_that_step_alone	src/trust/word.rs	if !keys\.contains\(&signed\.key\)	if keys.is_empty()
without_its_audit_log_nothing_runs_until_the_operator_names_the_tip_of_the_published_one	src/audit/src/restore.rs	if found != tip\.to_string\(\)	if found.is_empty()
a_commit_signed_with_the_key_of_somebody_departed	src/core/src/approval/rules.rs	self\.is_active\(person\)\.then_some\(person\)	Some(person)
a_delivery_place_changed_by_a_committer	src/core/src/gate.rs	&& required\.things\.iter\(\)\.all\(\|thing\| evidence\.agreed\(thing, tier\)\)	
an_emergency_that_nobody_reviews	src/core/src/gate.rs	decision == Decision::Proceed && is_more_privilege\(planned\)	decision == Decision::Proceed && !planned.adds()
an_account_deleted_that_provost_did_not_make	src/core/src/plan/leaver.rs	Origin::Adopted => Risk::Privileged	Origin::Adopted => Risk::Low
names_that_would_act_on_a_terminal_are_shown_and_do_not_act	src/text.rs	if is_hostile\(character\) && !keep\(character\) \{	if false {
a_credential_that_a_server_says_back_is_not_repeated	connectors/http/src/client.rs	text\.replace\(secret, "\[secret\]"\)	text.to_owned()
a_new_secret_is_told_as_delivered_and_not_shown	src/engine/records.rs	receipt\.secret\.as_ref\(\)\.map\(\|_\| "delivered"\)	receipt.secret.as_ref().map(|secret| provost_sdk::ExposeSecret::expose_secret(secret))
ROWS
)

place=${THREATS_TARGET_DIR:-$PWD/target/threats}
tree=$place/tree
mkdir -p "$place"
[ -d "$tree" ] || git clone --quiet --shared --no-checkout . "$tree" || exit 1
git -C "$tree" fetch --quiet "$PWD" HEAD && git -C "$tree" checkout --quiet --force --detach FETCH_HEAD || exit 1
export CARGO_TARGET_DIR=$place CARGO_PROFILE_DEV_DEBUG=0

# The test that a row of the page names: FILE: NAME, or FILE: NAME / TWIN.
named() { grep -oP '`[^`]*\.rs: [^`]*`' docs/THREAT-MODEL.md | tr -d '`' | grep -P ": (.* / )?$1( / |\$)"; }

# Says what cargo runs for the tests of a file.
tests_of() {
    case $1 in
    src/core/tests/*) echo "-p provost-core --test main" ;;
    src/audit/tests/*) echo "-p provost-audit --test main" ;;
    connectors/http/*) echo "-p provost-http --test main" ;;
    tests/stories/*) echo "-p provost --test stories" ;;
    *) echo "-p provost --lib" ;;
    esac
}

look=false
[ "${1:-}" = --look ] && { look=true; shift; }
failed=0 seen=0
for name in $(cut -f1 <<<"$rows" | uniq); do
    [ $# -gt 0 ] && ! printf '%s\n' "$@" | grep -qx "$name" && continue
    seen=$((seen + 1)) began=$SECONDS
    git -C "$tree" checkout --quiet --force -- .
    gone=
    while IFS=$'\t' read -r _ file from to; do
        before=$(git hash-object "$tree/$file")
        FROM=$from TO=$(printf '%b' "$to") perl -0pi -e 's/$ENV{FROM}/$ENV{TO}/' "$tree/$file"
        [ "$before" != "$(git hash-object "$tree/$file")" ] || gone="$gone $file"
    done < <(grep -P "^$name\t" <<<"$rows")
    line=$(named "$name" | head -1)
    if [ -n "$gone" ] || [ -z "$line" ]; then
        echo "$name: its control is not where it was${gone:+, in$gone}${line:-, or the page does not name it}"
        failed=1
        continue
    fi
    $look && continue
    read -ra run <<<"$(tests_of "${line%%: *}")"
    said=$(cd "$tree" && timeout 900 cargo test --locked "${run[@]}" "$name" 2>&1)
    refused=$(grep -cP "^test (.*::)?$name(::refused)? \.\.\. FAILED" <<<"$said")
    twin=$(grep -cP "^test .*$name::twin \.\.\. ok" <<<"$said")
    if [ "$refused" = 1 ] && { [ "$twin" = 1 ] || ! grep -q "::$name::twin" <<<"$said"; }; then
        echo "$name: ok ($((SECONDS - began)) s)"
    else
        echo "$name: without its control the attack does not succeed, or the twin fails"
        grep -E "^error|^test |panicked" <<<"$said" | head -5
        failed=1
    fi
done
[ "$seen" -gt 0 ] || { echo "no row has such a name"; failed=1; }
echo "$seen attacks, $(cut -f1 <<<"$rows" | wc -l) controls"
exit $failed
