use super::*;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn names() -> Names {
    Names {
        namespace: "understudy-system".to_owned(),
        service: "understudy-webhook".to_owned(),
        configuration: "understudy".to_owned(),
    }
}

fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// Carries a plan out, as a look does.
fn look(stored: &mut Stored, now: Timestamp) -> Leaf {
    let plan = Plan::of(stored, &names(), now).unwrap();
    if plan.leaf == Leaf::Issue {
        stored.serving = Some(make::serving(&names(), plan.authority.as_ref().unwrap(), now).unwrap());
    }
    stored.bundles = vec![plan.bundle; 2];
    stored.authority = plan.authority;
    stored.previous = plan.previous;
    plan.leaf
}

/// What a cluster has after the first look.
fn installed(now: Timestamp) -> Stored {
    let mut stored = Stored {
        bundles: vec![String::new(); 2],
        ..Stored::default()
    };
    assert_eq!(look(&mut stored, now), Leaf::Issue);
    stored
}

fn is_accepted(leaf: &Pem, stored: &Stored, now: Timestamp) -> bool {
    stored
        .bundles
        .iter()
        .all(|bundle| verifies(leaf, bundle, &names(), now))
}

#[test]
fn the_first_look_makes_everything_and_the_second_one_nothing() {
    let mut stored = installed(start());
    assert!(is_accepted(stored.serving.as_ref().unwrap(), &stored, start()));
    assert_eq!(stored.previous, "");
    let before = stored.clone();
    assert_eq!(look(&mut stored, start() + DAY), Leaf::Keep);
    assert!(stored.authority == before.authority && stored.serving == before.serving);
    assert_eq!(stored.bundles, before.bundles);
}

#[test]
fn a_leaf_is_renewed_by_the_same_authority_while_thirty_days_are_left() {
    let mut stored = installed(start());
    let first = stored.clone();
    assert_eq!(look(&mut stored, start() + DAY * 59), Leaf::Keep);
    assert_eq!(look(&mut stored, start() + DAY * 61), Leaf::Issue);
    assert!(stored.authority == first.authority && stored.serving != first.serving);
}

#[test]
fn an_authority_is_renewed_with_overlap_and_no_leaf_is_ever_ahead_of_the_bundle() {
    let mut stored = installed(start());
    // A leaf renewed just before the authority's last thirty days.
    let late = start() + DAY * 3618;
    look(&mut stored, late);
    let (old, old_leaf) = (stored.authority.clone().unwrap(), stored.serving.clone().unwrap());
    let renewal = start() + DAY * 3621;

    assert_eq!(look(&mut stored, renewal), Leaf::Wait, "the new CA is told first");
    let new = stored.authority.clone().unwrap();
    assert!(new != old && stored.serving.as_ref() == Some(&old_leaf));
    for bundle in &stored.bundles {
        assert!(holds(bundle, &new.certificate) && holds(bundle, &old.certificate));
    }
    assert!(is_accepted(&old_leaf, &stored, renewal));

    assert_eq!(
        look(&mut stored, renewal),
        Leaf::Issue,
        "both configurations have it"
    );
    let new_leaf = stored.serving.clone().unwrap();
    for leaf in [&old_leaf, &new_leaf] {
        assert!(
            is_accepted(leaf, &stored, renewal),
            "replicas hold one or the other"
        );
    }
    assert_eq!(look(&mut stored, renewal + DAY), Leaf::Keep);
    assert!(holds(&stored.bundles[0], &old.certificate));

    // The old CA ends 29 days after the renewal, and then is told no more.
    look(&mut stored, renewal + DAY * 30);
    assert_eq!(stored.previous, "");
    assert_eq!(stored.bundles[0], new.certificate);
}

#[test]
fn a_bundle_that_one_configuration_lacks_holds_the_leaf_back() {
    let mut stored = installed(start());
    let (old, renewal) = (stored.bundles.clone(), start() + DAY * 3621);
    look(&mut stored, start() + DAY * 3618);
    look(&mut stored, renewal);
    stored.bundles[1].clone_from(&old[1]);
    assert_eq!(look(&mut stored, renewal), Leaf::Wait);
    assert_eq!(
        look(&mut stored, renewal),
        Leaf::Issue,
        "mended by the look before"
    );
}

#[test]
fn an_authority_that_has_issued_its_last_leaf_long_ago_is_told_no_more() {
    let mut stored = installed(start());
    // Its key is lost, so it is replaced long before its end.
    stored.authority.as_mut().unwrap().key = make::authority(&names(), start()).unwrap().key;
    look(&mut stored, start() + DAY);
    assert_ne!(stored.previous, "");
    look(&mut stored, start() + DAY * 90);
    assert_ne!(stored.previous, "", "a leaf of its last day lives to the 91st");
    look(&mut stored, start() + DAY * 92);
    assert_eq!(stored.previous, "");
}

#[test]
fn what_nobody_accepts_is_made_anew_at_once() {
    let garbage = Pem {
        certificate: "garbage".to_owned(),
        key: "garbage".to_owned(),
    };
    for leaf in [None, Some(garbage.clone())] {
        let mut stored = installed(start());
        stored.serving = leaf;
        assert_eq!(look(&mut stored, start()), Leaf::Issue);
    }
    let mut stored = installed(start());
    stored.authority = Some(garbage);
    assert_eq!(look(&mut stored, start()), Leaf::Wait, "the leaf still serves");
    assert_eq!(look(&mut stored, start()), Leaf::Issue);
    let mut stored = installed(start());
    stored.serving.as_mut().unwrap().key = make::authority(&names(), start()).unwrap().key;
    assert_eq!(look(&mut stored, start()), Leaf::Issue, "a key that does not fit");
    let mut stored = installed(start());
    let other = Names {
        service: "other".to_owned(),
        ..names()
    };
    let authority = stored.authority.clone().unwrap();
    stored.serving = Some(make::serving(&other, &authority, start()).unwrap());
    assert_eq!(
        look(&mut stored, start()),
        Leaf::Issue,
        "a leaf for another Service"
    );
}

#[test]
fn no_key_is_ever_in_a_bundle() {
    let mut stored = installed(start());
    look(&mut stored, start() + DAY * 3621);
    assert!(!stored.bundles.concat().contains("PRIVATE") && !stored.previous.contains("PRIVATE"));
}
