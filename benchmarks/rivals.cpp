// The workloads as a template for TMB: negative log-likelihoods, in the coordinates of by_hand.py.
#include <TMB.hpp>

template <class Type>
Type softplus(Type x) { return logspace_add(Type(0), x); }

template <class Type>
Type objective_function<Type>::operator()() {
  DATA_STRING(model);
  DATA_VECTOR(y);
  DATA_MATRIX(x);
  PARAMETER_VECTOR(theta);
  Type value = 0;
  int n = y.size();
  if (model == "normal") {
    value = -sum(dnorm(y, theta(0), exp(theta(1)), true));
  } else if (model == "gamma") {
    value = -sum(dgamma(y, exp(theta(1)), exp(theta(0)), true));
  } else if (model == "beta") {
    value = -sum(dbeta(y, exp(theta(0)), exp(theta(1)), true));
  } else if (model == "weibull") {
    for (int i = 0; i < n; ++i) {
      Type z = exp(theta(1)) * (log(y(i)) - theta(0));
      value += exp(z) - (std::isfinite(asDouble(x(i, 0))) ? theta(1) - log(y(i)) + z : Type(0));
    }
  } else if (model == "logistic") {
    vector<Type> eta = x * theta;
    for (int i = 0; i < n; ++i) value += softplus(eta(i)) - y(i) * eta(i);
  } else if (model == "negative-binomial") {
    int p = theta.size() - 1;
    vector<Type> beta = theta.head(p), eta = x * beta;
    for (int i = 0; i < n; ++i) value -= dnbinom_robust(y(i), eta(i), 2 * eta(i) + theta(p), true);
  } else if (model == "student-t") {
    Type df = exp(theta(0)), scale = exp(theta(2));
    for (int i = 0; i < n; ++i) value -= dt((y(i) - theta(1)) / scale, df, true) - theta(2);
  } else if (model == "mixture") {
    Type first = -softplus(-theta(4)), second = -softplus(theta(4));
    for (int i = 0; i < n; ++i)
      value -= logspace_add(first + dnorm(y(i), theta(0), exp(theta(2)), true),
                            second + dnorm(y(i), theta(1), exp(theta(3)), true));
  } else if (model == "garch") {
    Type alpha = exp(theta(0)), beta = exp(theta(1)), omega = exp(theta(2)), variance = (y * y).sum() / n;
    for (int i = 0; i < n; ++i) {
      value -= dnorm(y(i), Type(0), sqrt(variance), true);
      variance = omega + alpha * y(i) * y(i) + beta * variance;
    }
  } else if (model == "spot") {
    for (int i = 0; i < n; ++i) {
      Type row = x(i, 0) - theta(3), column = x(i, 1) - theta(1);
      Type bright = exp(theta(0) - 0.5 * (row * row + column * column) * exp(-2 * theta(4)));
      value -= dnorm(y(i), theta(2) + bright, Type(1), true);
    }
  } else {
    error("no such model");
  }
  return value;
}
