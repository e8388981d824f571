"""Writes what TensorFlow's Keras makes of update rules, schedules, weight decay and clipping, for specs to compare with.

    npm run bench -- --only 1b --peers        # installs Python's TensorFlow into .native/peers, if it is not there
    PYTHONPATH=.native/peers/site python3 bench/peers/reference_values.py
    npx prettier --write "libs/*/src/**/*keras.json"

Gradients and first values are fractions with few bits, so that the specs make the very same ones.
"""

import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

LENGTH = 37
STEPS = 60
SCHEDULE_STEPS = 130


def start():
    return np.array([((i * 53) % 97 - 48) / 64 for i in range(LENGTH)], np.float32)


def gradient(step):
    """Of step 0, 1, ...: of either sign, over two orders of magnitude, some of them zero."""
    return np.array(
        [0 if i % 9 == 0 else ((i * 37 + step * 101) % 199 - 99) / 2 ** (4 + i % 7) for i in range(LENGTH)], np.float32
    )


def run(optimizer):
    variable = keras.Variable(start())
    for step in range(STEPS):
        optimizer.apply([tf.constant(gradient(step))], [variable])
    return variable.numpy()


def run_momentum(schedule, momentum, nesterov, weight_decay):
    """tf.compat.v1's MomentumOptimizer, whose rate is outside of what it accumulates; Keras's is inside, which is another thing where it changes."""
    variable, accumulated = tf.Variable(start()), tf.Variable(np.zeros(LENGTH, np.float32))
    for step in range(STEPS):
        rate = tf.cast(schedule(step) if callable(schedule) else schedule, tf.float32)
        variable.assign(variable - variable * weight_decay * rate)
        tf.raw_ops.ResourceApplyMomentum(
            var=variable.handle, accum=accumulated.handle, lr=rate, grad=gradient(step), momentum=momentum, use_nesterov=nesterov
        )
    return variable.numpy()


SCHEDULES = {
    "cosine": ({"kind": "cosine", "over": 100}, lambda lr: keras.optimizers.schedules.CosineDecay(lr, 100)),
    "cosine to a floor": (
        {"kind": "cosine", "over": 70, "alpha": 0.1},
        lambda lr: keras.optimizers.schedules.CosineDecay(lr, 70, alpha=0.1),
    ),
    "cosine with warmup": (
        {"kind": "cosine", "over": 80, "alpha": 0.05, "warmup": {"over": 20, "startFactor": 0.25}},
        lambda lr: keras.optimizers.schedules.CosineDecay(lr * 0.25, 80, alpha=0.05, warmup_target=lr, warmup_steps=20),
    ),
    "exponential": (
        {"kind": "exponential", "over": 40, "rate": 0.5},
        lambda lr: keras.optimizers.schedules.ExponentialDecay(lr, 40, 0.5),
    ),
    "exponential in steps": (
        {"kind": "exponential", "over": 25, "rate": 0.9, "staircase": True},
        lambda lr: keras.optimizers.schedules.ExponentialDecay(lr, 25, 0.9, staircase=True),
    ),
    "steps at boundaries": (
        {"kind": "step", "boundaries": [30, 60, 90], "factors": [0.5, 0.1, 0.01]},
        lambda lr: keras.optimizers.schedules.PiecewiseConstantDecay([30, 60, 90], [lr, lr * 0.5, lr * 0.1, lr * 0.01]),
    ),
}


def rules():
    warm = SCHEDULES["cosine with warmup"]
    optimizers = keras.optimizers
    cases = [
        ({"kind": "sgd", "learningRate": 0.05}, lambda **kw: optimizers.SGD(**kw)),
        (
            {"kind": "momentum", "learningRate": 0.01, "momentum": 0.9, "nesterov": False},
            lambda **kw: optimizers.SGD(momentum=0.9, **kw),
        ),
        (
            {"kind": "momentum", "learningRate": 0.01, "momentum": 0.9, "nesterov": True},
            lambda **kw: optimizers.SGD(momentum=0.9, nesterov=True, **kw),
        ),
        (
            {"kind": "adagrad", "learningRate": 0.05, "initialAccumulator": 0.1},
            lambda **kw: optimizers.Adagrad(initial_accumulator_value=0.1, epsilon=1e-7, **kw),
        ),
        (
            {"kind": "rmsprop", "learningRate": 0.001, "decay": 0.9, "momentum": 0, "epsilon": 1e-7},
            lambda **kw: optimizers.RMSprop(rho=0.9, epsilon=1e-7, **kw),
        ),
        (
            {"kind": "rmsprop", "learningRate": 0.001, "decay": 0.9, "momentum": 0.7, "epsilon": 1e-7},
            lambda **kw: optimizers.RMSprop(rho=0.9, momentum=0.7, epsilon=1e-7, **kw),
        ),
        (
            {"kind": "adam", "learningRate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7},
            lambda **kw: optimizers.Adam(beta_1=0.9, beta_2=0.999, epsilon=1e-7, **kw),
        ),
    ]
    for rule, make in cases:
        rate = rule["learningRate"]
        for decay in (None, 0.1):
            for schedule in (None, warm):
                learning_rate = rate if schedule is None else schedule[1](rate)
                if rule["kind"] == "momentum" and schedule is not None:
                    values = run_momentum(learning_rate, rule["momentum"], rule["nesterov"], decay or 0.0)
                else:
                    values = run(make(learning_rate=learning_rate, weight_decay=decay))
                yield {
                    "rule": rule,
                    "weightDecay": decay or 0,
                    "schedule": None if schedule is None else schedule[0],
                    "parameters": numbers(values),
                }


def plateau(values, mode, **options):
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(1.0))
    callback = keras.callbacks.ReduceLROnPlateau(monitor="metric", mode=mode, cooldown=0, **options)
    callback.set_model(model)
    callback.on_train_begin()
    factors = []
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {"metric": value})
        factors.append(float(model.optimizer.learning_rate.numpy()))
    return factors


LOSSES = [1.0, 0.8, 0.79995, 0.81, 0.8, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75, 0.6, 0.6, 0.6, 0.6, 0.59, 0.5, 0.5, 0.5]


def plateaus():
    for metric, mode, values in (("loss", "min", LOSSES), ("accuracy", "max", [1 - loss / 2 for loss in LOSSES])):
        for factor, patience, delta, least in ((0.5, 2, 1e-4, 1e-6), (0.1, 3, 0.01, 0.005)):
            options = {"factor": factor, "patience": patience, "min_delta": delta, "min_lr": least}
            yield {
                "schedule": {"kind": "reduceOnPlateau", "metric": metric, "factor": factor, "patience": patience, "minDelta": delta, "minFactor": least},
                "values": values,
                "factors": plateau(values, mode, **options),
            }


def numbers(values):
    """The shortest decimals that give the same float32."""
    return [float(str(np.float32(value))) for value in values]


ROOT = pathlib.Path(__file__).resolve().parents[2]


def write(path, **values):
    made = {"madeWith": f"tensorflow {tf.__version__}, keras {keras.__version__}"}
    (ROOT / path).write_text(json.dumps({**made, **values}))


write("libs/parameters/src/update-rules/keras.json", length=LENGTH, steps=STEPS, cases=list(rules()))
write(
    "libs/contracts/src/learning-rate.keras.json",
    cases=[
        {"name": name, "schedule": spec, "factors": numbers([make(1.0)(step) for step in range(SCHEDULE_STEPS)])}
        for name, (spec, make) in SCHEDULES.items()
    ],
)
write("libs/jobs/src/plateau.keras.json", cases=list(plateaus()))
write(
    "libs/training/src/clip-gradient.keras.json",
    gradient=numbers(gradient(3)),
    cases=[
        {"clip": {"value": 0.25}, "clipped": numbers(tf.clip_by_value(gradient(3), -0.25, 0.25).numpy())},
        {"clip": {"norm": 2}, "clipped": numbers(tf.clip_by_global_norm([gradient(3)], 2.0)[0][0].numpy())},
        {"clip": {"norm": 1000}, "clipped": numbers(tf.clip_by_global_norm([gradient(3)], 1000.0)[0][0].numpy())},
    ],
)
