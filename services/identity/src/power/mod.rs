//! Nobody touches what reaches further than they do: not by giving, not by taking.
//!
//! Every operation that changes what somebody may do passes here, with what the target is before the change and what it is
//! after it: both must lie within what the caller reaches. Three things make a reach: roles, the teams in which their scope
//! `team` holds, and who else is in these teams, for a colleague's records are reached with the team. What is compared:
//!
//! - a permission in scope `all` needs the same in scope `all`;
//! - in scope `team` the same in scope `all`, or in scope `team` with every team of the target being the caller's too;
//! - in scope `own` the same in any scope: who may do something with their own records may let others do it with theirs;
//! - who joins or leaves a team shows or hides their own records to its members: the caller must reach these records with
//!   every permission that members have by the team, and every field of them that members see or change;
//! - a membership is given by somebody who is in the team or may change all teams (`team.update` in scope `all`), and one's
//!   own only by the latter.
//!
//! So no sequence of allowed calls lets anybody reach what they did not and the caller does not (`tests/attacks/powers`).

mod store;

use std::sync::Arc;

use auth::{Context, PrincipalKind, Scopes, Snapshot};
use db::{DbError, TenantTx};
use error::{Code, Error, Reason};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::metrics::beyond as refused;
use crate::permissions;
use crate::roles::body::{ObjectPermission, RoleBody, Scope};
use crate::roles::names::{self, ANY};
use crate::roles::{self, guard};
use crate::users::User;

/// The caller, with the teams that bound the scope `team`. Read under the lock of the tenant's head, so they hold until the
/// change commits.
#[derive(Debug)]
pub(crate) struct Power {
    user: Uuid,
    is_key: bool,
    snapshot: Arc<Snapshot>,
    teams: Vec<Uuid>,
    /// Everybody in these teams, the caller included.
    members: Vec<Uuid>,
}

impl Power {
    /// The power of the caller. The transaction holds the tenant's head.
    pub(crate) async fn of(tx: &mut TenantTx, cx: &Context) -> Result<Self, DbError> {
        let is_key = cx.principal.kind == PrincipalKind::ApiKey;
        Self::by(tx, (cx.user().uuid(), is_key), cx.snapshot.clone()).await
    }

    /// The power that the user or API key has now who once made a token that opens an account; `None` if it is no longer live. Whoever
    /// has the token may be them, so it opens nothing that they do not reach by now, nor that they may no longer open. The transaction
    /// holds the tenant's head.
    pub(crate) async fn of_maker(
        tx: &mut TenantTx,
        maker: Uuid,
        now: OffsetDateTime,
    ) -> Result<Option<Self>, DbError> {
        let Some(live) = permissions::store::live(tx, maker, now).await? else { return Ok(None) };
        let wire = permissions::get_snapshot::compiled(tx, &live).await?;
        let who = (live.owner, live.key_scopes.is_some());
        Self::by(tx, who, Arc::new(Snapshot::from_wire(&wire))).await.map(Some)
    }

    /// Whether the caller may do this with a user: `create`, `update`.
    pub(crate) fn may(&self, action: &str, user: &User) -> bool {
        user.reached_by(&self.snapshot.predicate("user", action))
    }

    async fn by(
        tx: &mut TenantTx,
        (user, is_key): (Uuid, bool),
        snapshot: Arc<Snapshot>,
    ) -> Result<Self, DbError> {
        let (teams, members) = permissions::store::teams_and_members(tx, user).await?;
        Ok(Self { user, is_key, snapshot, teams, members })
    }

    /// Whether it is an API key's.
    pub(crate) fn is_key(&self) -> bool {
        self.is_key
    }

    /// Checks a new user. Errors: 403 `ROLE_EXCEEDS_CALLER`, `TEAM_EXCEEDS_CALLER`.
    pub(crate) async fn check_new(&self, tx: &mut TenantTx, user: &User) -> Result<(), Error> {
        // Nobody owns a record yet whom nobody knows, so nobody sees more for having them in the team.
        self.check_reach(tx, user).await?;
        self.check_memberships(user.id, &user.team_ids)
    }

    /// Checks a change of a user in place. Errors: 403 `ROLE_EXCEEDS_CALLER`, `TEAM_EXCEEDS_CALLER`,
    /// `MANAGER_EXCEEDS_CALLER`.
    pub(crate) async fn check_change(
        &self,
        tx: &mut TenantTx,
        before: &User,
        after: &User,
    ) -> Result<(), Error> {
        let powers =
            |user: &User| (user.state, user.role_ids.clone(), user.team_ids.clone(), user.manager_id);
        if before.id == self.user && powers(before) == powers(after) {
            // One's own name.
            return Ok(());
        }
        self.check_reach(tx, before).await?;
        self.check_reach(tx, after).await?;
        if before.manager_id != after.manager_id
            && before.id == self.user
            && !self.has(Scopes::ALL, "user", "update")
        {
            let text = "only someone who may change all users can change their own manager";
            return Err(refused(Reason::MANAGER_EXCEEDS_CALLER, text));
        }
        let moved: Vec<Uuid> = symmetric_difference(&before.team_ids, &after.team_ids);
        self.check_memberships(before.id, &moved)?;
        self.check_exposure(tx, before.id, &moved).await
    }

    /// Checks that all of a user lies within the caller's reach: to shut out, let in again, or invite again.
    pub(crate) async fn check_reach(&self, tx: &mut TenantTx, user: &User) -> Result<(), Error> {
        let bodies: Vec<RoleBody> =
            roles::store::bodies(tx, &user.role_ids).await?.into_iter().map(|(_, body)| body).collect();
        for body in &bodies {
            guard::check(body, &self.snapshot)?;
        }
        let beyond = user.team_ids.iter().any(|team| !self.teams.contains(team));
        if beyond && bodies.iter().any(|body| self.needs_teams(body)) {
            let text = "the user reaches records of teams that you are not in";
            return Err(refused(Reason::TEAM_EXCEEDS_CALLER, text));
        }
        Ok(())
    }

    /// Checks that the user may be handed over whole, their own records too: whoever gets the invitation becomes them.
    pub(crate) async fn check_hand_over(&self, tx: &mut TenantTx, user: &User) -> Result<(), Error> {
        self.check_reach(tx, user).await?;
        let bodies = roles::store::bodies(tx, &user.role_ids).await?;
        let bodies: Vec<&RoleBody> = bodies.iter().map(|(_, body)| body).collect();
        if self.reaches_records_of(user.id, &bodies, &[Scope::Own, Scope::Team, Scope::All]) {
            return Ok(());
        }
        Err(refused(Reason::ROLE_EXCEEDS_CALLER, "the user's own records are beyond your reach"))
    }

    /// Checks a change of a role: as it was and as it will be, for whoever holds it. Errors: 403 `ROLE_EXCEEDS_CALLER`,
    /// `TEAM_EXCEEDS_CALLER`.
    pub(crate) async fn check_role(
        &self,
        tx: &mut TenantTx,
        id: Uuid,
        bodies: [&RoleBody; 2],
    ) -> Result<(), Error> {
        for body in bodies {
            guard::check(body, &self.snapshot)?;
        }
        if bodies.iter().any(|body| self.needs_teams(body)) && store::held_beyond(tx, id, &self.teams).await?
        {
            let text = "users of teams that you are not in hold the role";
            return Err(refused(Reason::TEAM_EXCEEDS_CALLER, text));
        }
        Ok(())
    }

    /// Whether the scope `team` of this role means more than the caller's own scope `all`.
    fn needs_teams(&self, body: &RoleBody) -> bool {
        let mut permissions = body.permissions.iter().filter(|p| p.scopes.contains(&Scope::Team));
        permissions.any(|p| p.actions.iter().any(|action| !self.has(Scopes::ALL, &p.object, action)))
    }

    /// Who may put this user into these teams, or take them out.
    fn check_memberships(&self, user: Uuid, teams: &[Uuid]) -> Result<(), Error> {
        if teams.is_empty() || self.has(Scopes::ALL, "team", "update") {
            return Ok(());
        }
        if user == self.user || teams.iter().any(|team| !self.teams.contains(team)) {
            let text =
                "a team is given by its members or by somebody who may change all teams, never to oneself";
            return Err(refused(Reason::TEAM_EXCEEDS_CALLER, text));
        }
        Ok(())
    }

    /// The members of these teams gain or lose the user's own records: only what the caller reaches.
    async fn check_exposure(&self, tx: &mut TenantTx, user: Uuid, teams: &[Uuid]) -> Result<(), Error> {
        if teams.is_empty() {
            return Ok(());
        }
        let members = store::roles_of_members(tx, teams, user).await?;
        let mut held: Vec<Uuid> = members.iter().flatten().copied().collect();
        held.sort_unstable();
        held.dedup();
        let bodies = roles::store::bodies(tx, &held).await?;
        for member in members {
            let of_member = bodies.iter().filter(|(id, _)| member.contains(id));
            let of_member: Vec<&RoleBody> = of_member.map(|(_, body)| body).collect();
            if !self.reaches_records_of(user, &of_member, &[Scope::Team]) {
                let text = "members of the team can do more with the user's records than you can";
                return Err(refused(Reason::TEAM_EXCEEDS_CALLER, text));
            }
        }
        Ok(())
    }

    /// Whether the caller does everything with the records of `owner` that somebody with these roles does by one of these scopes,
    /// and sees and changes every field of them that they do.
    fn reaches_records_of(&self, owner: Uuid, roles: &[&RoleBody], by: &[Scope]) -> bool {
        let (is_mine, is_colleague) = (owner == self.user, self.members.contains(&owner));
        let reached = |object: &str, action: &str| {
            let scopes = self.snapshot.scopes(object, action);
            scopes.contains(Scopes::ALL)
                || (scopes.contains(Scopes::TEAM) && is_colleague)
                || (!scopes.is_empty() && is_mine)
        };
        let shared = |p: &&ObjectPermission| p.scopes.iter().any(|scope| by.contains(scope));
        let shared = || roles.iter().flat_map(|role| role.permissions.iter().filter(shared));
        let actions = shared().all(|p| p.actions.iter().all(|action| reached(&p.object, action)));
        // A role says what is seen of an object's records whichever of the roles reaches them.
        let fields = names::restrictable()
            .filter(|object| shared().any(|p| p.object == *object || p.object == ANY))
            .all(|object| roles.iter().all(|role| guard::fields_within(role, object, &self.snapshot)));
        actions && fields
    }

    fn has(&self, scopes: Scopes, object: &str, action: &str) -> bool {
        self.snapshot.scopes(object, action).contains(scopes)
    }
}

/// Whether a check has found nothing beyond the reach. Errors: those that are no refusal.
pub(crate) fn within(checked: Result<(), Error>) -> Result<bool, Error> {
    match checked {
        Ok(()) => Ok(true),
        Err(error) if error.code() == Code::PermissionDenied => Ok(false),
        Err(error) => Err(error),
    }
}

fn symmetric_difference(one: &[Uuid], other: &[Uuid]) -> Vec<Uuid> {
    let without = |these: &[Uuid], those: &[Uuid]| {
        these.iter().filter(|id| !those.contains(id)).copied().collect::<Vec<_>>()
    };
    [without(one, other), without(other, one)].concat()
}
