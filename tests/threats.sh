#!/usr/bin/env bash
# Takes the control of each attack of docs/THREAT-MODEL.md that is decided in the core out, one at a time, builds, and
# sees the attack succeed (NAME::refused fails) while what is harmless goes on (NAME::twin passes).
#
#   tests/threats.sh            every row: an hour on two cores, so by hand or at night
#   tests/threats.sh NAME...    these rows
#   tests/threats.sh --look     only whether every control is still where this file says
#
# Works on a copy of the committed tree; needs git, perl and cargo.
set -uo pipefail
cd "$(dirname "$0")/.."

# Name, file below src/core/src, what is replaced (perl, over the whole file), by what. A name that stands twice has two
# controls, which are taken out together.
rows=$(cat <<'ROWS'
commit_without_approval	evidence.rs	tier == Risk::Low \|\| self\.of\(identity, power, tier\)\.any	true || self.of(identity, power, tier).any
one_signature_of_two	approval/judge.rs	people\.len\(\) < usize::from\(asked_people\(part, &authorship\)\)	people.is_empty()
until_prolonged_after_approval	approval/judge.rs	let Window \{ from, until \} = grant\.window\(\);	let (from, until) = (Timestamp::MIN, Timestamp::MAX);
a_grant_that_ended_and_came_back	approval/judge.rs	match uses\.left\.get\(&key\) \{	match None::<&Vec<(Timestamp, Timestamp)>> {
the_author_approves	approval/judge.rs	\(authorship\.people\.contains\(approver\) && !part\.authors_count, Refusal::Author\)	(false, Refusal::Author)
an_earlier_author_approves	approval/judge.rs	\(authorship\.people\.contains\(approver\) && !part\.authors_count, Refusal::Author\)	(false, Refusal::Author)
a_forged_author	approval/judge.rs	u8::from\(authorship\.unknown && !part\.authors_count\)	u8::from(false)
whoever_gains_approves	approval/judge.rs	\(gains\.contains\(approver\), Refusal::Gains\)	(false, Refusal::Gains)
replay_on_another_installation	approval/judge.rs	approval\.installation == self\.given\.installation	!approval.installation.is_empty()
a_denial_deleted_from_the_branch	approval/judge.rs	let mut denied = self\.given\.uses\.denied\.clone\(\);	let mut denied = BTreeMap::new();
an_expired_key_with_a_backdated_signature	approval/signers.rs	&& self\.valid_before\.is_none_or\(\|last\| at < after\(last\)\)	
a_key_revoked_between_first_sight_and_use	approval/signers.rs	allowed && !self\.revoked\.is_some_and\(\|revoked\| revoked\.has\(key\)\)	allowed
a_signer_who_departed_since	approval/judge.rs	\(!seen\.active \|\| !self\.council\.is_active\(\*approver\), Refusal::Inactive\)	(false, Refusal::Inactive)
two_keys_of_one_person	approval/judge.rs	if people\.len\(\) < usize	if counted.len() < usize
somebody_elses_key	approval/signers.rs	signer\.key == \*key && signer\.person == person	signer.key == *key && !person.as_str().is_empty()
a_signature_for_another_purpose	approval/signers.rs	self\.namespaces\.as_ref\(\)\.is_none_or\(\|names\| names\.iter\(\)\.any\(\|name\| \*name == \*namespace\)\)	!namespace.is_empty()
a_wildcard_principal	approval/signers.rs	if name\.contains\(\['\*', '\?', '!'\]\) \{\n        return Err\(format!\("`\{\}` is a pattern	if false {\n        return Err(format!("`{}` is a pattern
a_wildcard_principal	approval/signers.rs	if !crate::document::is_id\(name\)	if name.is_empty()
one_key_for_two_people	approval/signers.rs	other\.person != one\.person	other.person != one.person && other.key != one.key
risk_lowered_by_the_one_who_gains	snapshot/amend.rs	version\.tier == Risk::Low \|\|	version.tier == Risk::Low || version.kind == Kind::Target ||
owner_changed_by_the_one_who_gains	snapshot/amend.rs	version\.tier == Risk::Low \|\|	version.tier == Risk::Low || version.kind == Kind::Target ||
a_secret_delivery_or_connector_changed_by_a_committer	snapshot/amend.rs	version\.tier == Risk::Low \|\|	version.tier == Risk::Low || version.kind == Kind::Target ||
a_key_that_the_commit_itself_brings	snapshot/amend.rs	version\.tier == Risk::Low \|\|	version.tier == Risk::Low || version.kind == Kind::AllowedSigners ||
a_new_role_of_a_friend_that_grants_what_others_own	approval/judge.rs	\(!in_pool, Refusal::NotInPool\)	(!in_pool && false, Refusal::NotInPool)
an_owner_departed_whose_successor_is_a_friend	approval/judge.rs	\(!in_pool, Refusal::NotInPool\)	(!in_pool && false, Refusal::NotInPool)
own_department_changed_to_meet_a_condition	evidence.rs	tier == Risk::Low \|\| self\.of\(identity, power, tier\)\.any	true || self.of(identity, power, tier).any
a_policy_change_that_approves_itself	approval/rules.rs	\[part\(standing\)\]\.into\(\)	[part(standing)].into_iter().filter(|_| false).collect()
a_policy_change_that_approves_itself	approval/judge.rs	\(gains\.contains\(approver\), Refusal::Gains\)	(false, Refusal::Gains)
the_last_administrator	gate.rs	in last_admins\(plan, world\)	in last_admins(plan, world).into_iter().take(0)
all_people_removed_at_once	gate.rs	in tripped\(plan, limits, history, world\.now, &past\)	in tripped(plan, limits, history, world.now, &past).into_iter().take(0)
a_slow_bleed_under_the_guard	guard.rs	limit\.window\.map_or\(0, \|window\| history\.since\(part, now - window\.0\)\)	limit.window.map_or(0, |window| 0 * history.since(part, now - window.0))
a_file_moved_beside_one_that_cannot_be_read	snapshot/amend.rs	if !self\.unreadable\.is_empty\(\)	if false
a_forced_push	plan/site.rs	world\.hold\.or\(view\.hold\)	view.hold
an_account_renamed_into_a_protected_name	plan/site.rs	if identity\.is_some_and\(\|identity\| self\.world\.desired\.is_person\(identity\)\)	if false
provosts_own_credential	plan/site.rs	self\.view\.own_accounts\.iter\(\)\.any\(\|own\| \*own == \*account\.anchor\.as_str\(\)\)	false
provosts_own_credential	lint.rs	view\.own_accounts\.iter\(\)\.any\(\|own\| \*own == anchor\)	false
ROWS
)

work=$(mktemp -d)
cleanup() { git worktree remove --force "$work/tree" >/dev/null 2>&1; rm -rf "$work"; }
trap cleanup EXIT
git worktree add --quiet --detach "$work/tree" HEAD || exit 1
# Builds are shared between rows, and with the next run.
export CARGO_TARGET_DIR=${THREATS_TARGET_DIR:-$PWD/target/threats}
look=false
[ "${1:-}" = --look ] && { look=true; shift; }
failed=0 seen=0
for name in $(cut -f1 <<<"$rows" | uniq); do
    [ $# -gt 0 ] && ! printf '%s\n' "$@" | grep -qx "$name" && continue
    seen=$((seen + 1))
    git -C "$work/tree" checkout --quiet -- .
    gone=
    while IFS=$'\t' read -r _ file from to; do
        before=$(git hash-object "$work/tree/src/core/src/$file")
        FROM=$from TO=$(printf '%b' "$to") perl -0pi -e 's/$ENV{FROM}/$ENV{TO}/' "$work/tree/src/core/src/$file"
        [ "$before" != "$(git hash-object "$work/tree/src/core/src/$file")" ] || gone="$gone $file"
    done < <(grep -P "^$name\t" <<<"$rows")
    if [ -n "$gone" ]; then
        echo "$name: its control is not where it was, in$gone"
        failed=1
        continue
    fi
    $look && continue
    said=$(cd "$work/tree" && cargo test --locked -p provost-core --test main "::$name::" 2>&1)
    refused=$(grep -c "::$name::refused \.\.\. FAILED" <<<"$said")
    twin=$(grep -c "::$name::twin \.\.\. ok" <<<"$said")
    if [ "$refused" = 1 ] && [ "$twin" = 1 ]; then
        echo "$name: ok"
    else
        echo "$name: without its control the attack does not succeed, or the twin fails"
        grep -E "^error|^test threats" <<<"$said" | head -5
        failed=1
    fi
done
[ "$seen" -gt 0 ] || { echo "no row has such a name"; failed=1; }
exit $failed
