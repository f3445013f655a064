//! Cedar's names for our things, and the one entity that rules judge.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression, Schema,
};

use super::{
    Literals,
    attributes::{self, Judged, Node, Value},
};
use crate::ids::ActorId;

/// The schema that rules are validated against. Evaluation needs none.
pub(super) fn schema(literals: &Literals) -> Result<Schema, String> {
    let text = attributes::schema(literals);
    let (schema, _warnings) = Schema::from_cedarschema_str(&text).map_err(|error| error.to_string())?;
    Ok(schema)
}

/// The names, parsed once.
pub(super) struct Vocabulary {
    change: EntityTypeName,
    pub system: EntityTypeName,
    pub environment: EntityTypeName,
    pub kind: EntityTypeName,
    pub group: EntityTypeName,
    pub person: EntityTypeName,
    gate: EntityUid,
    apply: EntityUid,
}

/// What Cedar is asked about one target.
pub(super) struct Question {
    pub request: Request,
    pub entities: Entities,
    /// The entities that the resource is in; rules with none of them in their scope do not see this target.
    pub parents: Vec<EntityUid>,
}

impl Vocabulary {
    /// Fails only if this file and the attributes' table are wrong.
    pub fn new() -> Result<Self, String> {
        let name = |name: &str| format!("Countersign::{name}").parse::<EntityTypeName>().map_err(|e| e.to_string());
        Ok(Self {
            change: name("Change")?,
            system: name("System")?,
            environment: name("Environment")?,
            kind: name("Kind")?,
            group: name("Group")?,
            person: name("Person")?,
            gate: EntityUid::from_type_name_and_id(name("Gate")?, EntityId::new("any")),
            apply: EntityUid::from_type_name_and_id(name("Action")?, EntityId::new("apply")),
        })
    }

    pub fn question(&self, judged: &Judged<'_>) -> Result<Question, String> {
        let uid = |ty: &EntityTypeName, id: &str| EntityUid::from_type_name_and_id(ty.clone(), EntityId::new(id));
        let view = judged.target;
        let change =
            uid(&self.change, &format!("{}:{}@{}", judged.snapshot.change, judged.snapshot.revision, view.target));
        let parents = vec![
            uid(&self.system, view.target.system.as_str()),
            uid(&self.environment, view.target.environment.as_str()),
            uid(&self.kind, judged.snapshot.kind.as_str()),
            uid(&self.group, view.owner.as_str()),
        ];
        let mut attrs = HashMap::new();
        for (name, node) in attributes::tree(|attribute| self.express((attribute.of)(judged))) {
            let value = match node {
                Node::Single(value) => value?,
                Node::Record(fields) => {
                    let fields = fields.into_iter().map(|(field, value)| Ok((field.to_owned(), value?)));
                    let fields: Vec<_> = fields.collect::<Result<_, String>>()?;
                    RestrictedExpression::new_record(fields).map_err(|error| error.to_string())?
                }
            };
            attrs.insert(name.to_owned(), value);
        }
        let entity = Entity::new(change.clone(), attrs, parents.iter().cloned().collect::<HashSet<_>>())
            .map_err(|error| error.to_string())?;
        // What it is in has no attributes and is in nothing itself, so that Cedar needs no entities of those.
        let snapshot = judged.snapshot;
        let proposer = snapshot.proposer.as_ref().map(|proposer| {
            let groups = snapshot.groups.iter().filter(|(_, members)| members.contains(&proposer.id));
            let groups = groups.map(|(group, _)| uid(&self.group, group.as_str())).collect();
            Entity::new_no_attrs(uid(&self.person, proposer.id.as_str()), groups)
        });
        let entities = Entities::from_entities([entity].into_iter().chain(proposer), None);
        let entities = entities.map_err(|error| error.to_string())?;
        let request = Request::new(self.gate.clone(), self.apply.clone(), change, Context::empty(), None)
            .map_err(|error| error.to_string())?;
        Ok(Question { request, entities, parents })
    }

    fn express(&self, value: Value) -> Result<RestrictedExpression, String> {
        let uid = |ty: &EntityTypeName, id: &str| {
            RestrictedExpression::new_entity_uid(EntityUid::from_type_name_and_id(ty.clone(), EntityId::new(id)))
        };
        Ok(match value {
            Value::Long(n) => RestrictedExpression::new_long(n),
            Value::Bool(b) => RestrictedExpression::new_bool(b),
            Value::Text(text) => RestrictedExpression::new_string(text.into_owned()),
            Value::Texts(texts) => {
                RestrictedExpression::new_set(texts.into_iter().map(RestrictedExpression::new_string))
            }
            Value::People(people) => {
                RestrictedExpression::new_set(people.iter().map(|person| uid(&self.person, person.as_str())))
            }
            // Nobody's name is empty.
            Value::Person(person) => uid(&self.person, person.as_ref().map_or("", ActorId::as_str)),
            Value::Groups(groups) => {
                RestrictedExpression::new_set(groups.iter().map(|group| uid(&self.group, group.as_str())))
            }
            Value::ByGroup(counts) => {
                let fields =
                    counts.into_iter().map(|(group, n)| (group.to_string(), RestrictedExpression::new_long(n)));
                RestrictedExpression::new_record(fields).map_err(|error| error.to_string())?
            }
            Value::Longs(counts) => {
                let fields = counts.into_iter().map(|(name, n)| (name, RestrictedExpression::new_long(n)));
                RestrictedExpression::new_record(fields).map_err(|error| error.to_string())?
            }
            Value::Bools(met) => {
                let fields = met.into_iter().map(|(parts, met)| (parts, RestrictedExpression::new_bool(met)));
                RestrictedExpression::new_record(fields).map_err(|error| error.to_string())?
            }
        })
    }
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocabulary").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Mentions, sample};

    /// Entities are built without the schema, because checking each would cost more than the decision; that the table
    /// gives what it declares is checked here instead.
    #[test]
    fn every_sample_fits_the_schema() {
        let literals = Literals {
            counted: ["payments".parse().unwrap(), "team-a".parse().unwrap()].into(),
            apart: ["group:team-a:1+owner:2".to_owned()].into(),
            evidence: ["tests".parse().unwrap()].into(),
            paths: ["docs/** | **/*.md".to_owned(), "a\\[b\\]/\"c\"".to_owned()].into(),
            left_out: ["gen/**".to_owned()].into(),
            recent: [24].into(),
        };
        let (vocabulary, schema) = (Vocabulary::new().unwrap(), schema(&literals).unwrap());
        for snapshot in sample::samples(&Mentions::default()) {
            let judged = Judged::new(&snapshot, &snapshot.targets[0], &literals, sample::SAMPLE_NOW);
            let question = vocabulary.question(&judged).unwrap();
            Entities::from_entities(question.entities.iter().cloned(), Some(&schema)).unwrap();
            let request = &question.request;
            let (principal, action, resource) = (request.principal(), request.action(), request.resource());
            let parts = [principal, action, resource].map(|part| part.unwrap().clone());
            let [principal, action, resource] = parts;
            Request::new(principal, action, resource, Context::empty(), Some(&schema)).unwrap();
        }
    }
}
