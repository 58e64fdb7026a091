//! Who meets which condition, for a million identities: conditions are grouped by the fields that they read, and a
//! group's answer is remembered by the tuple of values, so that an identity costs a look-up a group.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::Sym;
use crate::condition::{Asked, Condition, Field, Subject};

/// Tuples of values that one group remembers. Beyond it nearly every identity has its own, and remembering only
/// costs memory.
const REMEMBERED: usize = 1 << 16;

/// The conditions of all roles.
#[derive(Clone, Debug, Default)]
pub(super) struct Birthright {
    /// By role: the text, so that a change is noticed, and what it compiles to.
    conditions: FxHashMap<Sym, (Sym, Option<Condition>)>,
    people: Vec<Group>,
    services: Vec<Group>,
    key: Vec<Option<Sym>>,
}

/// One value a field.
type Values = Box<[Option<Sym>]>;

/// Fields, and the conditions that read no others.
type Footprint<'a> = (Vec<Field>, Vec<(Sym, &'a Condition)>);

#[derive(Clone, Debug)]
struct Group {
    fields: Vec<Field>,
    members: Vec<Member>,
    /// Answers by values. Where nearly everybody has values of his own, none are kept.
    memo: Option<FxHashMap<Values, Arc<[Sym]>>>,
}

#[derive(Clone, Debug)]
struct Member {
    role: Sym,
    condition: Condition,
    /// Where each field of the condition is among those of the group.
    places: Vec<u16>,
}

impl Birthright {
    /// Takes over the conditions of the roles in force, and gives the roles whose condition is another one.
    pub(super) fn learn(&mut self, assigns: &FxHashMap<Sym, Sym>) -> Vec<Sym> {
        let same = |role: &Sym, text: &Sym| assigns.get(role) == Some(text);
        let mut different: Vec<Sym> = self
            .conditions
            .iter()
            .filter(|(role, (text, _))| !same(role, text))
            .map(|(role, _)| *role)
            .collect();
        self.conditions.retain(|role, (text, _)| same(role, text));
        for (role, text) in assigns {
            self.conditions.entry(*role).or_insert_with(|| {
                different.push(*role);
                // What does not compile is held back before it gets here; nobody meets it.
                (*text, Condition::of_role(text.as_str()).ok())
            });
        }
        if !different.is_empty() {
            self.people = self.grouped(Subject::Person);
            self.services = self.grouped(Subject::Service);
        }
        different
    }

    /// The condition of a role.
    pub(super) fn condition(&self, role: Sym) -> Option<&Condition> {
        self.conditions.get(&role)?.1.as_ref()
    }

    /// Adds the roles whose condition is met.
    pub(super) fn roles(&mut self, asked: Asked<'_>, into: &mut Vec<Sym>) {
        let groups = match asked {
            Asked::Person(..) => &mut self.people,
            Asked::Service(_) => &mut self.services,
        };
        for group in groups {
            group.roles(asked, &mut self.key, into);
        }
    }

    /// The roles whose condition is met, in order, each condition asked anew.
    pub(super) fn met(&self, asked: Asked<'_>) -> Vec<Sym> {
        let conditions = self.conditions.iter();
        let met =
            conditions.filter(|(_, (_, condition))| condition.as_ref().is_some_and(|one| one.is_met(asked)));
        let mut roles: Vec<Sym> = met.map(|(role, _)| *role).collect();
        roles.sort_unstable();
        roles
    }

    fn grouped(&self, subject: Subject) -> Vec<Group> {
        let mut footprints: Vec<Footprint<'_>> = Vec::new();
        let mut conditions: Vec<(Sym, &Condition)> = self
            .conditions
            .iter()
            .filter_map(|(role, (_, condition))| Some((*role, condition.as_ref()?)))
            .filter(|(_, condition)| condition.subject() == subject)
            .collect();
        // The widest footprint first: a narrower one is answered with it at no further look-up.
        conditions.sort_by_key(|(role, condition)| (usize::MAX - condition.footprint().len(), *role));
        for (role, condition) in conditions {
            let individual = condition.footprint().iter().any(|field| field.is_individual());
            let within = |(fields, _): &&mut Footprint<'_>| {
                condition.footprint().iter().all(|field| fields.contains(field))
                    && individual == fields.iter().any(|field: &Field| field.is_individual())
            };
            match footprints.iter_mut().find(within) {
                Some((_, members)) => members.push((role, condition)),
                None => footprints.push((condition.footprint().to_vec(), vec![(role, condition)])),
            }
        }
        footprints.into_iter().map(|(fields, members)| Group::new(fields, &members)).collect()
    }
}

impl Group {
    fn new(fields: Vec<Field>, members: &[(Sym, &Condition)]) -> Group {
        let place = |field: &Field| {
            fields.iter().position(|known| known == field).and_then(|at| u16::try_from(at).ok())
        };
        let members = members
            .iter()
            .map(|(role, condition)| Member {
                role: *role,
                places: condition.footprint().iter().filter_map(place).collect(),
                condition: (*condition).clone(),
            })
            .collect();
        let individual = fields.iter().any(|field| field.is_individual());
        Group { fields, members, memo: (!individual).then(FxHashMap::default) }
    }

    fn roles(&mut self, asked: Asked<'_>, key: &mut Vec<Option<Sym>>, into: &mut Vec<Sym>) {
        let Some(memo) = &mut self.memo else {
            let met = self.members.iter().filter(|member| member.condition.is_met(asked));
            return into.extend(met.map(|member| member.role));
        };
        key.clear();
        key.extend(self.fields.iter().map(|field| asked.value(*field)));
        if let Some(known) = memo.get(&key[..]) {
            return into.extend(known.iter());
        }
        let met = self.members.iter().filter(|member| member.condition.is_met_by_values(key, &member.places));
        let roles: Arc<[Sym]> = met.map(|member| member.role).collect();
        into.extend(roles.iter());
        if memo.len() < REMEMBERED {
            memo.insert(key.as_slice().into(), roles);
        }
    }
}
