//! Whatever one principal does, and in whatever order: nobody reaches more by it than they did or the principal does, and
//! nobody loses what the principal does not reach.

use std::cell::Cell;

use anyhow::Result;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use proto::identity::v1 as pb;
use uuid::Uuid;

use super::oracle::{ACTIONS, Cut, FIELD, OBJECTS, State};
use crate::identity::world::{Caller, Refusal, World, mask, user};

/// A failure names its seed and the case that it shrank to.
const SEEDS: [u8; 3] = [7, 42, 211];
/// Cases for each seed.
const CASES: u32 = 40;

type Spec = Vec<(usize, usize, usize)>;
/// What a role does with the field: none, read or edit on contacts and companies, or no rule (3).
type Rules = [usize; 2];

#[derive(Clone, Debug)]
enum Op {
    Update { who: usize, paths: u8, roles: u8, teams: u8, manager: usize },
    Invite { roles: u8, teams: u8 },
    Disable { who: usize },
    Enable { who: usize },
    Resend { who: usize },
    MakeRole { spec: Spec, rules: Rules },
    ChangeRole { which: usize, spec: Spec, rules: Rules, paths: u8 },
    DropRole { which: usize },
    MakeTeam,
}

#[derive(Clone, Debug)]
struct Plan {
    /// Scope (3: none) of each permission over users, roles and teams that the principal has.
    powers: Vec<usize>,
    /// What the principal may do besides.
    rights: Spec,
    rules: Rules,
    roles: Vec<(Spec, Rules)>,
    /// Roles and teams by bits, and whether disabled.
    users: Vec<(u8, u8, bool)>,
    teams_of_principal: u8,
    /// Whether the principal is an API key, with these of its owner's permissions.
    key: Option<u16>,
    ops: Vec<Op>,
}

const POWERS: [(&str, &str); 7] = [
    ("user", "create"),
    ("user", "update"),
    ("role", "create"),
    ("role", "update"),
    ("role", "delete"),
    ("team", "create"),
    ("team", "update"),
];

/// Permissions, with wildcards now and then.
fn spec(most: usize) -> impl Strategy<Value = Spec> {
    let object = prop_oneof![9 => 0..OBJECTS.len(), 1 => Just(OBJECTS.len())];
    let action = prop_oneof![9 => 0..ACTIONS.len(), 1 => Just(ACTIONS.len())];
    prop::collection::vec((object, action, 0..3_usize), 0..most)
}

/// Most roles hide nothing.
fn rules() -> impl Strategy<Value = Rules> {
    let rule = || prop_oneof![3 => Just(3_usize), 1 => 0..3_usize];
    [rule(), rule()]
}

/// Members to change, most of the time one.
fn paths() -> impl Strategy<Value = u8> {
    prop_oneof![1 => Just(1), 3 => Just(2), 3 => Just(4), 1 => Just(8), 2 => 0..16_u8]
}

/// A principal who may do much and not everything makes the sequences that say something.
fn power() -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(3), 1 => Just(0), 2 => Just(1), 5 => Just(2)]
}

fn op() -> impl Strategy<Value = Op> {
    let index = || 0..12_usize;
    prop_oneof![
        6 => (index(), paths(), any::<u8>(), 0..8_u8, index())
            .prop_map(|(who, paths, roles, teams, manager)| Op::Update { who, paths, roles, teams, manager }),
        2 => (any::<u8>(), 0..8_u8).prop_map(|(roles, teams)| Op::Invite { roles, teams }),
        1 => index().prop_map(|who| Op::Disable { who }),
        1 => index().prop_map(|who| Op::Enable { who }),
        1 => index().prop_map(|who| Op::Resend { who }),
        1 => (spec(3), rules()).prop_map(|(spec, rules)| Op::MakeRole { spec, rules }),
        3 => (index(), spec(3), rules(), 1..4_u8)
            .prop_map(|(which, spec, rules, paths)| Op::ChangeRole { which, spec, rules, paths }),
        1 => index().prop_map(|which| Op::DropRole { which }),
        1 => Just(Op::MakeTeam),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    (
        prop::collection::vec(power(), POWERS.len()),
        spec(8),
        rules(),
        prop::collection::vec((spec(3), rules()), 3),
        prop::collection::vec((0..16_u8, 0..8_u8, prop::bool::weighted(0.2)), 3),
        0..8_u8,
        prop::option::weighted(0.3, any::<u16>()),
        prop::collection::vec(op(), 1..12),
    )
        .prop_map(|(powers, rights, rules, roles, users, teams_of_principal, key, ops)| Plan {
            powers,
            rights,
            rules,
            roles,
            users,
            teams_of_principal,
            key,
            ops,
        })
}

fn permission(object: &str, action: &str, scope: usize) -> pb::ObjectPermission {
    let scope = [pb::Scope::Own, pb::Scope::Team, pb::Scope::All][scope];
    pb::ObjectPermission { object: object.into(), actions: vec![action.into()], scopes: vec![scope.into()] }
}

fn permissions(spec: &Spec) -> Vec<pb::ObjectPermission> {
    let name = |names: &[&'static str], i: usize| names.get(i).copied().unwrap_or("*");
    let grantable = |object: &str, action: &str| {
        object == "*"
            || action == "*"
            || proto::OBJECTS.iter().any(|known| known.name == object && known.actions.contains(&action))
    };
    let named = spec.iter().map(|(o, a, s)| {
        let (object, action) = (name(&OBJECTS, *o), name(&ACTIONS, *a));
        // No method deletes a user or a team, so nobody can be granted it.
        permission(object, if grantable(object, action) { action } else { "read" }, *s)
    });
    named.collect()
}

fn fields(rules: Rules) -> Vec<pb::FieldRule> {
    let access = [pb::FieldAccess::None, pb::FieldAccess::Read, pb::FieldAccess::Edit];
    let given = ["contact", "company"].into_iter().zip(rules).filter(|(_, rule)| *rule < access.len());
    given
        .map(|(object, rule)| pb::FieldRule {
            object: object.into(),
            field: FIELD.into(),
            access: access[rule].into(),
        })
        .collect()
}

fn chosen(ids: &[String], bits: u8) -> Vec<String> {
    ids.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, id)| id.clone()).collect()
}

/// The organisation that a plan plays in.
struct Scene {
    principal: Caller,
    cut: Cut,
    users: Vec<String>,
    roles: Vec<String>,
    teams: Vec<String>,
}

impl Scene {
    async fn set(world: &World, plan: &Plan) -> Result<Self> {
        let ada = world.sign_up().await?;
        let mut teams = Vec::new();
        for name in ["Board", "North", "South"] {
            teams.push(ada.create_team(name).await?);
        }
        let mut roles = ada.get_me(pb::GetMeRequest {}).await?.role_ids;
        for (i, (spec, rules)) in plan.roles.iter().enumerate() {
            let (permissions, fields) = (permissions(spec), fields(*rules));
            let role = pb::Role { name: format!("R{i}"), permissions, fields, ..pb::Role::default() };
            roles.push(ada.create_role(role).await?.id);
        }
        let mut powers = permissions(&plan.rights);
        let given = POWERS.iter().zip(&plan.powers).filter(|(_, scope)| **scope < 3);
        powers.extend(given.map(|((object, action), scope)| permission(object, action, *scope)));
        let names = powers.iter().map(|p| (p.object.clone(), p.actions[0].clone()));
        let names: Vec<(String, String)> = names.collect();
        powers.push(permission("api_key", "create", 0));
        let role = pb::Role {
            name: "Powers".into(),
            permissions: powers,
            fields: fields(plan.rules),
            ..pb::Role::default()
        };
        let held = ada.create_role(role).await?.id;
        let of_principal = chosen(&teams, plan.teams_of_principal);
        let of_principal: Vec<&str> = of_principal.iter().map(String::as_str).collect();
        let mut principal = world.member(&ada, &[&held], &of_principal).await?;
        let cut: Cut = plan.key.map(|bits| {
            names
                .into_iter()
                .enumerate()
                .filter(|(i, _)| (bits >> i) & 1 == 1)
                .map(|(_, name)| name)
                .collect()
        });
        let cut = cut.filter(|scopes| !scopes.is_empty());
        if let Some(scopes) = &cut {
            let scopes: Vec<String> = scopes.iter().map(|(o, a)| format!("{o}.{a}")).collect();
            let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
            let secret = principal.create_key("key", &scopes).await?.secret.unwrap_or_default();
            principal = principal.with(&world.exchange(&secret).await?.access_token);
        }
        roles.push(held);
        let mut users = vec![ada.id.clone(), principal.id.clone()];
        for (i, (role_bits, team_bits, disabled)) in plan.users.iter().enumerate() {
            let made = pb::User {
                role_ids: chosen(&roles, *role_bits),
                team_ids: chosen(&teams, *team_bits),
                ..user(&format!("u{i}@acme.test"))
            };
            let id = ada.create_user(made).await?.id;
            if *disabled {
                ada.disable_user(pb::DisableUserRequest { id: id.clone() }).await?;
            }
            users.push(id);
        }
        Ok(Self { principal, cut, users, roles, teams })
    }

    async fn play(&mut self, number: usize, op: &Op) -> Result<(), Refusal> {
        let me = self.principal.clone();
        let who = |i: &usize| self.users[i % self.users.len()].clone();
        match op {
            Op::Update { who: target, paths, roles, teams, manager } => {
                let names = ["display_name", "role_ids", "team_ids", "manager_id"];
                let paths: Vec<&str> =
                    names.iter().enumerate().filter(|(i, _)| paths >> i & 1 == 1).map(|(_, n)| *n).collect();
                let change = pb::User {
                    display_name: format!("N{number}"),
                    role_ids: chosen(&self.roles, *roles),
                    team_ids: chosen(&self.teams, *teams),
                    manager_id: Some(who(manager)),
                    ..pb::User::default()
                };
                me.change_user(&who(target), change, &paths, None).await?;
            }
            Op::Invite { roles, teams } => {
                let made = pb::User {
                    role_ids: chosen(&self.roles, *roles),
                    team_ids: chosen(&self.teams, *teams),
                    ..user(&format!("new{number}@acme.test"))
                };
                self.users.push(me.create_user(made).await?.id);
            }
            Op::Disable { who: target } => {
                me.disable_user(pb::DisableUserRequest { id: who(target) }).await?;
            }
            Op::Enable { who: target } => {
                me.enable_user(pb::EnableUserRequest { id: who(target) }).await?;
            }
            Op::Resend { who: target } => resend(&me, who(target)).await?,
            Op::MakeRole { spec, rules } => {
                let (permissions, fields) = (permissions(spec), fields(*rules));
                let role =
                    pb::Role { name: format!("New{number}"), permissions, fields, ..pb::Role::default() };
                let made = me.create_role(role).await?;
                self.roles.push(made.id);
            }
            Op::ChangeRole { which, spec, rules, paths } => {
                let id = self.roles[which % self.roles.len()].clone();
                let (permissions, fields) = (permissions(spec), fields(*rules));
                let role = pb::Role { permissions, fields, ..pb::Role::default() };
                let names = ["permissions", "fields"].into_iter().enumerate();
                let names: Vec<&str> = names.filter(|(i, _)| paths >> i & 1 == 1).map(|(_, n)| n).collect();
                let update_mask = Some(mask(&names));
                me.update_role(pb::UpdateRoleRequest { id, role: Some(role), update_mask }).await?;
            }
            Op::DropRole { which } => {
                let id = self.roles[which % self.roles.len()].clone();
                me.delete_role(pb::DeleteRoleRequest { id }).await?;
            }
            Op::MakeTeam => self.teams.push(me.create_team(&format!("T{number}")).await?),
        }
        Ok(())
    }
}

/// Who gets another's invitation is that other from then on.
async fn resend(me: &Caller, id: String) -> Result<(), Refusal> {
    me.resend_invitation(pb::ResendInvitationRequest { id }).await.map(drop)
}

async fn hold(world: &World, plan: &Plan, accepted: &Cell<u32>) -> Result<Result<(), String>> {
    let mut scene = Scene::set(world, plan).await?;
    let mut sql = world.sql().await?;
    let tenant = Uuid::parse_str(&scene.principal.tenant)?;
    let me = Uuid::parse_str(&scene.principal.id)?;
    let teams = scene.teams.iter().map(|t| Uuid::parse_str(t)).collect::<Result<Vec<_>, _>>()?;
    let before = State::read(&mut sql, tenant).await?;
    let rows = before.rows(&teams);
    let cut = scene.cut.clone();
    let (mine, principal) = (before.reach_of_key(me, &cut, &rows), (me, &cut));
    for (number, op) in plan.ops.iter().enumerate() {
        match scene.play(number, op).await {
            Ok(()) => accepted.set(accepted.get() + 1),
            Err(refusal) => assert!(refusal.http() < 500, "{op:?}: {refusal}"),
        }
        let after = State::read(&mut sql, tenant).await?;
        for other in after.users() {
            let (had, has) = (before.reach(other, &rows), after.reach(other, &rows));
            let gained = has.difference(&had).copied().collect();
            let gained = before.beyond(principal, &mine, other, &gained);
            if !gained.is_empty() {
                return Ok(Err(format!("{op:?} gave {other} {:?}", gained[0])));
            }
            // What somebody gives up themselves is theirs to give; a key is not its owner.
            if other != me || cut.is_some() {
                let lost = had.difference(&has).copied().collect();
                let lost = before.beyond(principal, &mine, other, &lost);
                if !lost.is_empty() {
                    return Ok(Err(format!("{op:?} took from {other} {:?}", lost[0])));
                }
            }
        }
    }
    Ok(Ok(()))
}

#[test]
fn no_sequence_of_allowed_calls_widens_a_reach_or_takes_what_is_not_ones_own() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let world = runtime.block_on(World::new())?;
    for seed in SEEDS {
        let config =
            Config { cases: CASES, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        let accepted = Cell::new(0);
        let held = TestRunner::new_with_rng(config, rng).run(&plan(), |plan| {
            match runtime.block_on(hold(&world, &plan, &accepted)) {
                Ok(held) => held.map_err(TestCaseError::fail),
                Err(error) => Err(TestCaseError::fail(format!("{error:#}"))),
            }
        });
        assert!(held.is_ok(), "seed {seed}: {}", held.unwrap_err());
        assert!(
            accepted.get() > CASES / 2,
            "seed {seed}: {} calls were allowed, which says little",
            accepted.get()
        );
    }
    Ok(())
}
