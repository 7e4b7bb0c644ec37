"""Spaces: forward and inverse are exact inverses, also at the extremes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmle import spaces

pytestmark = pytest.mark.usefixtures("x64")

SPACES = {
    "real": spaces.real,
    "positive": spaces.positive,
    "interval": spaces.interval(-2.0, 5.0),
    "above": spaces.interval(3.0, np.inf),
    "below": spaces.interval(-np.inf, 3.0),
    "both open": spaces.interval(-np.inf, np.inf),
    "simplex": spaces.simplex(4),
    "simplex of one": spaces.simplex(1),
    "ordered": spaces.ordered(3),
    "covariance": spaces.covariance(3),
    "covariance of one": spaces.covariance(1),
    "correlation": spaces.correlation(3),
    "unit vector": spaces.unit_vector(3),
}
EACH = pytest.mark.parametrize("name", SPACES)


def random(space, scale=1.0, seed=0):
    return jnp.asarray(scale * np.random.default_rng(seed).normal(size=space.coordinate_shape))


@EACH
def test_legal_at_zero(name):
    space = SPACES[name]
    x = space.forward(jnp.zeros(space.coordinate_shape))
    assert x.shape == space.value_shape and space.contains(x)


@EACH
def test_round_trips(name):
    space = SPACES[name]
    for scale in (0.1, 1.0, 3.0):
        u = random(space, scale)
        x = space.forward(u)
        assert space.contains(x)
        np.testing.assert_allclose(space.inverse(x), u, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(space.forward(space.inverse(x)), x, rtol=1e-11, atol=1e-13)


@EACH
def test_shape_makes_independent_copies(name):
    space = SPACES[name]
    many = space(shape=(2, 5))
    assert many.value_shape == (2, 5, *space.value_shape) and many.coordinate_shape == (2, 5, *space.coordinate_shape)
    u = random(many)
    x = many.forward(u)
    assert x.shape == many.value_shape and many.contains(x)
    np.testing.assert_allclose(x[1, 3], space.forward(u[1, 3]), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(many.inverse(x), u, rtol=1e-9, atol=1e-9)


@EACH
def test_second_derivatives_are_finite(name):
    space = SPACES[name]
    for u in (jnp.zeros(space.coordinate_shape), random(space)):
        jacobian = np.asarray(jax.jit(jax.jacfwd(space.forward))(u)).reshape(int(np.prod(space.value_shape)), u.size)
        assert np.linalg.matrix_rank(jacobian) == u.size
        assert np.isfinite(jax.jit(jax.jacfwd(jax.jacrev(space.forward)))(u)).all()
        assert np.isfinite(jax.jit(jax.jacfwd(jax.jacrev(space.inverse)))(space.forward(u))).all()


@pytest.mark.parametrize("size", [1e-300, 1e-12, 1e12, 1e300])
def test_extreme_scales_survive(size):
    for space in (spaces.positive, spaces.interval(0.0, np.inf), spaces.interval(-np.inf, 0.0)):
        x = jnp.asarray(-size if space.kind.name == "below" else size)
        assert space.contains(x)
        np.testing.assert_allclose(space.forward(space.inverse(x)), x, rtol=1e-12)
    side = jnp.asarray([size, size * 2, size * 3])
    np.testing.assert_allclose(spaces.ordered(3).forward(spaces.ordered(3).inverse(side)), side, rtol=1e-12)


@pytest.mark.parametrize("size", [1e-150, 1e-6, 1e150])
def test_covariance_in_any_units(size):
    space = spaces.covariance(2)
    x = jnp.asarray([[4.0, 1.0], [1.0, 9.0]]) * jnp.asarray([[size * size, size], [size, 1.0]])
    assert space.contains(x)
    np.testing.assert_allclose(space.forward(space.inverse(x)), x, rtol=1e-12)
    shift = space.inverse(x) - space.inverse(jnp.asarray([[4.0, 1.0], [1.0, 9.0]]))
    np.testing.assert_allclose(shift[:2], [np.log(size), 0], atol=1e-12)


def test_interval_near_its_ends():
    space = spaces.interval(0.0, 1.0)
    for p in (1e-300, 1e-15, 0.5, 1 - 1e-12):
        np.testing.assert_allclose(space.forward(space.inverse(jnp.asarray(p))), p, rtol=1e-13)
    wide = jnp.asarray([-1e4, -800.0, 800.0, 1e4])
    assert np.isfinite(space.forward(wide)).all()
    assert np.isfinite(jax.vmap(jax.hessian(space.forward))(wide)).all()


@pytest.mark.parametrize(
    ("space", "bad"),
    [
        (spaces.real, np.inf),
        (spaces.real, np.nan),
        (spaces.positive, 0.0),
        (spaces.interval(0.0, 1.0), 1.0),
        (spaces.simplex(2), [0.5, 0.6]),
        (spaces.simplex(2), [-0.5, 1.5]),
        (spaces.ordered(2), [1.0, 1.0]),
        (spaces.covariance(2), [[1.0, 2.0], [2.0, 1.0]]),
        (spaces.covariance(2), [[1.0, 0.5], [0.1, 1.0]]),
        (spaces.correlation(2), [[1.1, 0.0], [0.0, 1.0]]),
    ],
)
def test_what_is_outside(space, bad):
    assert not space.contains(jnp.asarray(bad))


def test_errors_speak():
    with pytest.raises(ValueError, match="did you swap them"):
        spaces.interval(1.0, 0.0)
    for make, k in ((spaces.simplex, 0), (spaces.ordered, 0), (spaces.covariance, 0), (spaces.correlation, 1)):
        with pytest.raises(ValueError, match="at least"):
            make(k)


def test_spaces_hash_by_value():
    assert spaces.interval(0.0, 1.0) == spaces.interval(0.0, 1.0) != spaces.interval(0.0, 2.0)
    assert hash(spaces.interval(0.0, 1.0)) == hash(spaces.interval(0.0, 2.0))
    assert spaces.simplex(3) == spaces.simplex(3) != spaces.simplex(4)
    assert repr(spaces.interval(0.0, 1.0)) == "interval(0, 1)" and repr(spaces.positive) == "positive()"


def test_public_names():
    assert set(spaces.__all__) == {
        "Kind", "Space", "correlation", "covariance", "interval", "ordered", "positive", "real", "simplex", "unit_vector",
    }  # fmt: skip
    assert all(hasattr(spaces, name) for name in spaces.__all__)
