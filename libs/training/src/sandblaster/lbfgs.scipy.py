"""Makes lbfgs.scipy.json: python3 lbfgs.scipy.py > lbfgs.scipy.json, with numpy and scipy (1.17.1 made it)."""
import json
import numpy as np
from scipy.optimize import minimize

def quadratic(x):
    i = np.arange(1, len(x) + 1)
    return (i * (x - 1) ** 2).sum() / 2, i * (x - 1)

def rosenbrock(x):
    a, b = x[:-1], x[1:]
    gradient = np.zeros_like(x)
    gradient[:-1] += -400 * a * (b - a * a) - 2 * (1 - a)
    gradient[1:] += 200 * (b - a * a)
    return (100 * (b - a * a) ** 2 + (1 - a) ** 2).sum(), gradient

def problem():
    seed = 1
    def random():
        nonlocal seed
        seed = seed * 48271 % 2147483647
        return seed / 2147483647 - 0.5
    rows, labels = [], []
    for _ in range(200):
        x = [random() for _ in range(10)]
        rows.append(x)
        labels.append(1 if x[0] + 2 * x[1] - x[2] + 0.5 * random() > 0 else -1)
    return np.array(rows), np.array(labels)

X, L = problem()

def logistic(w):
    margin = L * (X @ w)
    gradient = -((L / (1 + np.exp(margin))) @ X) / len(L) + 0.01 * w
    return np.log1p(np.exp(-margin)).mean() + 0.005 * (w @ w), gradient

def solve(of, start):
    found = minimize(of, np.array(start, dtype=float), jac=True, method='L-BFGS-B',
                     options=dict(maxcor=10, ftol=0, gtol=1e-5, maxiter=1000))
    return dict(loss=float(found.fun), evaluations=int(found.nfev), iterations=int(found.nit))

print(json.dumps(dict(
    quadratic=solve(quadratic, [0] * 50),
    rosenbrock2=solve(rosenbrock, [-1.2, 1]),
    rosenbrock10=solve(rosenbrock, [-1.2, 1] * 5),
    logistic=solve(logistic, [0] * 10),
), indent=2))
