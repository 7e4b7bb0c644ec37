# What R's packages answer: Rscript rivals.R FOLDER WAY WORKLOAD CALLS, and then a line on stdin for each run.
#
# FOLDER holds numbers of 8 bytes, their shapes beside them, in R the last axis first: y [rows, data sets], x [columns,
# rows, data sets], theta [parameters, data sets], where the ascent may begin. A run writes found [parameters + 2, data
# sets]: coordinates as in by_hand.py, whether it converged by its own account, its evaluations or 0.

arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]; way <- arguments[2]; workload <- sub("-(one|big)$", "", arguments[3])
calls <- as.integer(arguments[4])
options(warn = -1)

array_of <- function(name) {
  size <- scan(file.path(folder, paste0(name, ".shape")), quiet = TRUE)
  array(readBin(file.path(folder, name), "double", prod(size)), rev(size))
}
y <- array_of("y"); x <- array_of("x"); theta <- array_of("theta")
rows <- nrow(y)
design <- function(i) t(matrix(x[, , i], ncol = rows))

# --- packages as their users call them, a data set after the other: own starts, own rules ----------------------------

distribution <- function(name, coordinates, start = function(y) NULL) function(i) {
  more <- start(y[, i])
  fit <- if (is.null(more)) MASS::fitdistr(y[, i], name) else MASS::fitdistr(y[, i], name, more)
  c(coordinates(fit$estimate), 1, 0)
}

moments <- function(y) {
  both <- mean(y) * (1 - mean(y)) / var(y) - 1
  list(shape1 = mean(y) * both, shape2 = (1 - mean(y)) * both)
}

packages <- list(
  normal = distribution("normal", function(p) c(p[["mean"]], log(p[["sd"]]))),
  gamma = distribution("gamma", function(p) c(-log(p[["rate"]]), log(p[["shape"]]))),
  beta = distribution("beta", function(p) log(c(p[["shape1"]], p[["shape2"]])), moments),
  "student-t" = distribution("t", function(p) c(log(p[["df"]]), p[["m"]], log(p[["s"]]))),
  weibull = function(i) {
    fit <- survival::survreg(survival::Surv(y[, i], is.finite(x[1, , i])) ~ 1, dist = "weibull")
    c(fit$coefficients, -log(fit$scale), 1, fit$iter[1])
  },
  logistic = function(i) {
    fit <- glm.fit(design(i), y[, i], family = binomial(), intercept = FALSE)
    c(fit$coefficients, fit$converged, fit$iter)
  },
  "negative-binomial" = function(i) {
    fit <- MASS::glm.nb(y[, i] ~ design(i) - 1)
    c(fit$coefficients, -log(fit$theta), fit$converged, 0)
  }
)

# --- Rfast: all columns at once ---------------------------------------------------------------------------------------

columns <- list(
  normal = function() {
    fit <- Rfast::colnormal.mle(y)
    rbind(fit[, "mean"], 0.5 * log(fit[, "biased variance"]), 1, 0)
  },
  gamma = function() {  # what it calls the scale is the rate
    fit <- Rfast::colgammamle(y)
    rbind(-log(fit[, "scale"]), log(fit[, "shape"]), 1, 0)
  }
)

# --- TMB: tapes of a template in C++, a data set after the other --------------------------------------------------------

taped <- function(i) {
  data <- list(model = workload, y = y[, i], x = design(i))
  tape <- TMB::MakeADFun(data, list(theta = theta[, i]), DLL = "rivals", silent = TRUE)
  fit <- nlminb(tape$par, tape$fn, tape$gr, control = list(eval.max = 500, iter.max = 500))
  c(fit$par, fit$convergence == 0, fit$evaluations[1])
}

in_turn <- function(one) function() vapply(seq_len(ncol(y)), one, numeric(nrow(theta) + 2))
run <- switch(way,
  "r" = in_turn(packages[[workload]]),
  "rfast" = columns[[workload]],
  "tmb" = { dyn.load(TMB::dynlib(file.path(folder, "rivals"))); in_turn(taped) }
)

orders <- file("stdin", "r")
while (length(readLines(orders, 1))) {
  for (call in seq_len(calls)) found <- run()
  writeBin(as.double(found), file.path(folder, "found"))
  cat("done\n"); flush(stdout())
}
