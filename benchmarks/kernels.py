"""The workloads' models for numba, as an expert writes them: value, gradient and Hessian by hand.

Each model is two functions. `prepare(first[n], second[n, q], work[k, m])` does once what need not be done at every
step; `evaluate(theta[p], first, second, work, g[p], h[p, p])` returns the log-likelihood and writes gradient and lower
half of the Hessian. Additive constants are left out. Needs numba.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numba

from benchmarks import by_hand

MAX_STEPS = 100
# Sums may be reordered, so that they vectorize; NaN and infinity keep their meaning.
fast = numba.njit(fastmath={"reassoc", "contract", "arcp", "nsz"}, error_model="numpy")
polygammas = fast(by_hand.polygammas)


@fast
def nothing(first, second, work):
    pass


@fast
def stay(theta, work):
    pass


class Kernel(NamedTuple):
    """A model's functions, how many rows `work` has, and where to begin if that is better than the start given."""

    prepare: Callable[..., Any]
    evaluate: Callable[..., Any]
    work: int = 1
    begin: Callable[..., Any] = stay


# --- normal: the maximum in closed form; one evaluation there certifies it ---------------------------------------


@fast
def normal_prepare(first, second, work):
    n, total, square = len(first), 0.0, 0.0
    for x in first:
        total += x
    mean = total / n
    for x in first:
        square += (x - mean) ** 2
    work[0, 0], work[0, 1], work[0, 2] = n, mean, square / n


@fast
def normal_evaluate(theta, first, second, work, g, h):
    n, mean, variance = work[0, 0], work[0, 1], work[0, 2]
    precision = math.exp(-2 * theta[1])
    away = mean - theta[0]
    square = (variance + away * away) * precision
    g[0], g[1] = n * away * precision, n * (square - 1)
    h[0, 0], h[1, 0], h[1, 1] = -n * precision, -2 * n * away * precision, -2 * n * square
    return -n * (theta[1] + 0.5 * square)


@fast
def normal_begin(theta, work):
    theta[0], theta[1] = work[0, 1], 0.5 * math.log(work[0, 2])


# --- gamma: sufficient statistics; theta = log scale, log shape ----------------------------------------------------


@fast
def gamma_prepare(first, second, work):
    logs, total = 0.0, 0.0
    for x in first:
        logs += math.log(x)
        total += x
    work[0, 0], work[0, 1], work[0, 2] = logs, total, len(first)


@fast
def gamma_evaluate(theta, first, second, work, g, h):
    logs, total, n = work[0, 0], work[0, 1], work[0, 2]
    shape, rest = math.exp(theta[1]), total * math.exp(-theta[0])
    digamma, trigamma = polygammas(shape)
    slope = shape * (logs - n * theta[0] - n * digamma)
    g[0], g[1] = rest - n * shape, slope
    h[0, 0], h[1, 0], h[1, 1] = -rest, -n * shape, slope - n * shape * shape * trigamma
    return (shape - 1) * logs - rest - n * (shape * theta[0] + math.lgamma(shape))


# --- beta: sufficient statistics; theta = log a, log b -------------------------------------------------------------


@fast
def beta_prepare(first, second, work):
    logs, rest = 0.0, 0.0
    for x in first:
        logs += math.log(x)
        rest += math.log1p(-x)
    work[0, 0], work[0, 1], work[0, 2] = logs, rest, len(first)


@fast
def beta_evaluate(theta, first, second, work, g, h):
    logs, rest, n = work[0, 0], work[0, 1], work[0, 2]
    a, b = math.exp(theta[0]), math.exp(theta[1])
    digamma_a, trigamma_a = polygammas(a)
    digamma_b, trigamma_b = polygammas(b)
    digamma, trigamma = polygammas(a + b)
    g[0], g[1] = a * (logs - n * (digamma_a - digamma)), b * (rest - n * (digamma_b - digamma))
    h[0, 0], h[1, 0] = g[0] - n * a * a * (trigamma_a - trigamma), n * a * b * trigamma
    h[1, 1] = g[1] - n * b * b * (trigamma_b - trigamma)
    return (a - 1) * logs + (b - 1) * rest - n * (math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b))


# --- right-censored Weibull: logarithms taken once; theta = log scale, log shape -----------------------------------


@fast
def weibull_prepare(first, second, work):
    for i in range(len(first)):
        work[0, i] = math.log(first[i])
        work[1, i] = 1.0 if second[i, 0] < math.inf else 0.0


@fast
def weibull_evaluate(theta, first, second, work, g, h):
    b, a = theta[0], theta[1]
    shape = math.exp(a)
    value, events, slope, hazard, moment, square = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(first)):
        z = shape * (work[0, i] - b)
        e = math.exp(z)
        value += work[1, i] * (a - work[0, i] + z) - e
        events += work[1, i]
        slope += work[1, i] * z
        hazard += e
        moment += e * z
        square += e * z * z
    g[0], g[1] = shape * (hazard - events), events + slope - moment
    h[0, 0], h[1, 0], h[1, 1] = -shape * shape * hazard, shape * (hazard - events + moment), slope - square - moment
    return value


# --- regressions: theta = beta, then whatever else there is ---------------------------------------------------------


@fast
def logistic_evaluate(theta, first, second, work, g, h):
    p = len(theta)
    g[:], h[:] = 0.0, 0.0
    value = 0.0
    for i in range(len(first)):
        eta = 0.0
        for j in range(p):
            eta += second[i, j] * theta[j]
        e = math.exp(-abs(eta))
        share = 1 / (1 + e)
        probability = share if eta > 0 else e * share
        value += first[i] * eta - max(eta, 0.0) - math.log1p(e)
        left, weight = first[i] - probability, e * share * share
        for j in range(p):
            g[j] += left * second[i, j]
            for k in range(j + 1):
                h[j, k] -= weight * second[i, j] * second[i, k]
    return value


@fast
def counts_prepare(first, second, work):
    """How many counts are greater than j: the gammas of integers apart are sums of logarithms."""
    work[0, :] = 0.0
    for y in first:
        work[0, int(y)] += 1.0
    above, last = 0.0, 0
    for j in range(work.shape[1] - 1, -1, -1):
        here = work[0, j]
        work[0, j] = above
        if above > 0 and last == 0:
            last = j + 1
        above += here
    work[1, 0] = last


@fast
def counts_evaluate(theta, first, second, work, g, h):
    q = len(theta) - 1
    r = math.exp(-theta[q])
    g[:], h[:] = 0.0, 0.0
    value, first_r, second_r = 0.0, 0.0, 0.0
    for j in range(int(work[1, 0])):
        inverse = work[0, j] / (r + j)
        value += work[0, j] * math.log(r + j)
        first_r += inverse
        second_r -= inverse / (r + j)
    log_r = -theta[q]
    for i in range(len(first)):
        eta, y = 0.0, first[i]
        for j in range(q):
            eta += second[i, j] * theta[j]
        mean = math.exp(eta)
        share, logs = 1 / (r + mean), math.log(r + mean)
        value += r * log_r + y * eta - (y + r) * logs
        first_r += log_r + 1 - logs - (y + r) * share
        second_r += 1 / r - 2 * share + (y + r) * share * share
        left, weight = (y - mean) * r * share, mean * r * (y + r) * share * share
        cross = -r * (y - mean) * mean * share * share
        for j in range(q):
            g[j] += left * second[i, j]
            h[q, j] += cross * second[i, j]
            for k in range(j + 1):
                h[j, k] -= weight * second[i, j] * second[i, k]
    g[q] = -r * first_r
    h[q, q] = r * first_r + r * r * second_r
    return value


# --- Student t: theta = log df, loc, log scale ------------------------------------------------------------------------


@fast
def student_evaluate(theta, first, second, work, g, h):
    v, inverse, n = math.exp(theta[0]), math.exp(-theta[2]), len(first)
    upper, lower = polygammas(0.5 * (v + 1)), polygammas(0.5 * v)
    logs, s1, q1, z1, q2, z2, l2, m2, zq = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        z = (first[i] - theta[1]) * inverse
        q = z * z
        d = 1 / (v + q)
        logs += math.log1p(q / v)
        q1 += q * d
        z1 += z * d
        q2 += q * d * d
        z2 += z * d * d
        l2 += (v - q) * d * d
        zq += z * (q - 1) * d * d
        m2 += q * (q - 1) * d * d
        s1 += q * (v * (v + q) - (v + 1) * (2 * v + q)) * d * d
    slope = 0.5 * n * (upper[0] - lower[0] - 1 / v) - 0.5 * logs + 0.5 * (v + 1) / v * q1
    bend = n * (0.25 * (upper[1] - lower[1]) + 0.5 / (v * v)) + 0.5 * q1 / v + 0.5 * s1 / (v * v)
    g[0], g[1], g[2] = v * slope, (v + 1) * z1 * inverse, (v + 1) * q1 - n
    h[0, 0] = v * slope + v * v * bend
    h[1, 0], h[2, 0] = v * zq * inverse, v * m2
    h[1, 1] = -(v + 1) * inverse * inverse * l2
    h[2, 1], h[2, 2] = -2 * v * (v + 1) * z2 * inverse, -2 * v * (v + 1) * q2
    constant = math.lgamma(0.5 * (v + 1)) - math.lgamma(0.5 * v) - 0.5 * theta[0] - theta[2]
    return n * constant - 0.5 * (v + 1) * logs


# --- two normals mixed: theta = two locs, two log scales, logit of the first's weight ---------------------------------


@fast
def mixture_evaluate(theta, first, second, work, g, h):
    g[:], h[:] = 0.0, 0.0
    ia, ib, w = math.exp(-theta[2]), math.exp(-theta[3]), 1 / (1 + math.exp(-theta[4]))
    ca, cb, value = math.log(w) - theta[2], math.log1p(-w) - theta[3], 0.0
    total = 0.0
    for i in range(len(first)):
        z, y = (first[i] - theta[0]) * ia, (first[i] - theta[1]) * ib
        la, lb = ca - 0.5 * z * z, cb - 0.5 * y * y
        top = max(la, lb)
        e = math.exp(-abs(la - lb))
        value += top + math.log1p(e)
        r = (1.0 if la > lb else e) / (1 + e)
        s = 1 - r
        a0, a2, b1, b3 = z * ia, z * z - 1, y * ib, y * y - 1
        g[0] += r * a0
        g[1] += s * b1
        g[2] += r * a2
        g[3] += s * b3
        total += r
        rs = r * s
        h[0, 0] += rs * a0 * a0 - r * ia * ia
        h[1, 0] -= rs * a0 * b1
        h[1, 1] += rs * b1 * b1 - s * ib * ib
        h[2, 0] += rs * a0 * a2 - 2 * r * a0
        h[2, 1] -= rs * a2 * b1
        h[2, 2] += rs * a2 * a2 - 2 * r * z * z
        h[3, 0] -= rs * a0 * b3
        h[3, 1] += rs * b1 * b3 - 2 * s * b1
        h[3, 2] -= rs * a2 * b3
        h[3, 3] += rs * b3 * b3 - 2 * s * y * y
        h[4, 0] += rs * a0
        h[4, 1] -= rs * b1
        h[4, 2] += rs * a2
        h[4, 3] -= rs * b3
        h[4, 4] += rs
    n = len(first)
    g[4] = total - n * w
    h[4, 4] -= n * w * (1 - w)
    return value


# --- GARCH(1,1): theta = log alpha, log beta, log omega -------------------------------------------------------------------


@fast
def garch_evaluate(theta, first, second, work, g, h):
    alpha, beta, omega, n = math.exp(theta[0]), math.exp(theta[1]), math.exp(theta[2]), len(first)
    variance, value = 0.0, 0.0
    for x in first:
        variance += x * x
    variance /= n
    da, db, do, ab, bb, ob = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    ga, gb, go = 0.0, 0.0, 0.0
    haa, hba, hbb, hoa, hob, hoo = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for x in first:
        square, inverse = x * x, 1 / variance
        ratio = square * inverse
        value -= 0.5 * (math.log(variance) + ratio)
        slope, bend = 0.5 * (ratio - 1) * inverse, (0.5 - ratio) * inverse * inverse
        ga += slope * da
        gb += slope * db
        go += slope * do
        haa += bend * da * da
        hba += bend * da * db + slope * ab
        hbb += bend * db * db + slope * bb
        hoa += bend * do * da
        hob += bend * do * db + slope * ob
        hoo += bend * do * do
        ab, bb, ob = da + beta * ab, 2 * db + beta * bb, do + beta * ob
        da, db, do = square + beta * da, variance + beta * db, 1 + beta * do
        variance = omega + alpha * square + beta * variance
    g[0], g[1], g[2] = alpha * ga, beta * gb, omega * go
    h[0, 0], h[1, 1], h[2, 2] = g[0] + alpha**2 * haa, g[1] + beta**2 * hbb, g[2] + omega**2 * hoo
    h[1, 0], h[2, 0], h[2, 1] = alpha * beta * hba, omega * alpha * hoa, omega * beta * hob
    return value


# --- Gaussian spot: theta = log amplitude, column, offset, row, log width --------------------------------------------------


@fast
def spot_evaluate(theta, first, second, work, g, h):
    g[:], h[:] = 0.0, 0.0
    amplitude, precision, value = math.exp(theta[0]), math.exp(-2 * theta[4]), 0.0
    for i in range(len(first)):
        dy, dx = second[i, 0] - theta[3], second[i, 1] - theta[1]
        q = (dx * dx + dy * dy) * precision
        f = amplitude * math.exp(-0.5 * q)
        left = first[i] - theta[2] - f
        value -= 0.5 * left * left
        fx, fy, fs, lf = f * dx * precision, f * dy * precision, f * q, left * f
        g[0] += left * f
        g[1] += left * fx
        g[2] += left
        g[3] += left * fy
        g[4] += left * fs
        h[0, 0] += lf - f * f
        h[1, 0] += (left - f) * fx
        h[1, 1] += lf * (dx * dx * precision - 1) * precision - fx * fx
        h[2, 0] -= f
        h[2, 1] -= fx
        h[2, 2] -= 1
        h[3, 0] += (left - f) * fy
        h[3, 1] += lf * dx * dy * precision * precision - fx * fy
        h[3, 2] -= fy
        h[3, 3] += lf * (dy * dy * precision - 1) * precision - fy * fy
        h[4, 0] += (left - f) * fs
        h[4, 1] += left * fx * (q - 2) - fx * fs
        h[4, 2] -= fs
        h[4, 3] += left * fy * (q - 2) - fy * fs
        h[4, 4] += left * fs * (q - 2) - fs * fs
    return value


KERNELS = {
    by_hand.NORMAL: Kernel(normal_prepare, normal_evaluate, begin=normal_begin),
    by_hand.GAMMA: Kernel(gamma_prepare, gamma_evaluate),
    by_hand.BETA: Kernel(beta_prepare, beta_evaluate),
    by_hand.WEIBULL: Kernel(weibull_prepare, weibull_evaluate, 2),
    by_hand.LOGISTIC: Kernel(nothing, logistic_evaluate),
    by_hand.COUNTS: Kernel(counts_prepare, counts_evaluate, 2),
    by_hand.STUDENT: Kernel(nothing, student_evaluate),
    by_hand.MIXTURE: Kernel(nothing, mixture_evaluate),
    by_hand.GARCH: Kernel(nothing, garch_evaluate),
    by_hand.SPOT: Kernel(nothing, spot_evaluate),
}
