"""The networks and data of bench/src/workloads.ts, written with TensorFlow's ops: variables are given, so that any strategy can place them."""

import gzip
import os
import pathlib

import numpy as np
import tensorflow as tf

BATCH_SIZE = 64
LEARNING_RATE = 0.05
# Batches that are gone round, as the other baselines do.
BATCHES = 200

HIDDEN = {"mlp-small": [256], "mlp-large": [2048, 2048, 1024]}


def batches(folder):
    """uint8 [BATCHES, BATCH_SIZE, 28, 28, 1] and int32 [BATCHES, BATCH_SIZE] of MNIST's training split."""
    images = _idx(folder, "train-images-idx3-ubyte", 16)
    labels = _idx(folder, "train-labels-idx1-ubyte", 8)
    count = BATCHES * BATCH_SIZE
    return (
        images[: count * 784].reshape(BATCHES, BATCH_SIZE, 28, 28, 1),
        labels[:count].astype(np.int32).reshape(BATCHES, BATCH_SIZE),
    )


def _idx(folder, name, header):
    path = pathlib.Path(folder) / name
    data = path.read_bytes() if path.exists() else gzip.decompress(path.with_name(name + ".gz").read_bytes())
    return np.frombuffer(data, np.uint8)[header:]


# Of googlenet-small (libs/models/src/zoo): #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj.
MODULES = {
    "3a": (32, 48, 64, 8, 16, 16),
    "3b": (64, 64, 96, 16, 48, 32),
    "4a": (96, 48, 104, 8, 24, 32),
    "4b": (80, 56, 112, 12, 32, 32),
    "5a": (128, 80, 160, 16, 64, 64),
}
GOOGLENET_SMALL_PARAMETERS = 616_424


def _googlenet_small_shapes():
    found = []

    def conv(size, inputs, filters):
        found.extend(([size, size, inputs, filters], [filters]))
        return filters

    def module(name, inputs):
        one, three_reduce, three, five_reduce, five, pool = MODULES[name]
        conv(1, inputs, one)
        conv(3, conv(1, inputs, three_reduce), three)
        conv(5, conv(1, inputs, five_reduce), five)
        conv(1, inputs, pool)
        return one + three + five + pool

    a = module("4a", module("3b", module("3a", conv(3, conv(1, conv(3, 1, 32), 32), 64))))
    found.extend(([1, 1, a, 64], [64], [64, 256], [256], [256, 10], [10]))
    last = module("5a", module("4b", a))
    found.extend(([last, 10], [10]))
    assert sum(int(np.prod(shape)) for shape in found) == GOOGLENET_SMALL_PARAMETERS
    return found


def _googlenet_small(x, weights):
    """Logits of the main and of the auxiliary classifier."""
    given = iter(weights)

    def conv(x):
        return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, next(given), 1, "SAME"), next(given)))

    def dense(x):
        return tf.nn.bias_add(tf.matmul(x, next(given)), next(given))

    def pool(x, stride):
        return tf.nn.max_pool2d(x, 3, stride, "SAME")

    def norm(x):
        return tf.nn.local_response_normalization(x, 2, 1.0, 1e-4 / 5, 0.75)

    def module(x):
        return tf.concat([conv(x), conv(conv(x)), conv(conv(x)), conv(pool(x, 1))], 3)

    x = norm(pool(conv(x), 2))
    x = pool(norm(conv(conv(x))), 2)
    x = pool(module(module(x)), 2)
    a = module(x)
    side = conv(tf.nn.avg_pool2d(a, 4, 3, "VALID"))
    side = dense(tf.nn.dropout(tf.nn.relu(dense(tf.reshape(side, [-1, 64]))), 0.7))
    x = module(module(a))
    return dense(tf.nn.dropout(tf.reduce_mean(x, [1, 2]), 0.4)), side


def shapes(workload):
    if workload == "googlenet-small":
        return _googlenet_small_shapes()
    if workload == "cnn":
        return [[3, 3, 1, 32], [32], [3, 3, 32, 64], [64], [1600, 128], [128], [128, 10], [10]]
    units = [784, *HIDDEN[workload], 10]
    return [shape for rows, columns in zip(units, units[1:]) for shape in ([rows, columns], [columns])]


def variables(workload):
    """Drawn as the zoo draws them: He's initialiser, zero biases."""
    random = np.random.default_rng(1)
    values = []
    for shape in shapes(workload):
        scale = np.sqrt(2 / np.prod(shape[:-1])) if len(shape) > 1 else 0
        values.append((scale * random.standard_normal(shape)).astype(np.float32))
    return [tf.Variable(value, aggregation=tf.VariableAggregation.MEAN) for value in values]


def loss_of(workload, weights, images, labels):
    x = tf.cast(images, tf.float32) / 255
    if workload == "googlenet-small":
        x, side = _googlenet_small(x, weights)
        losses = [tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=each) for each in (x, side)]
        correct = tf.reduce_sum(tf.cast(tf.equal(tf.argmax(x, 1, tf.int32), labels), tf.float32))
        return tf.reduce_mean(losses[0]) + 0.3 * tf.reduce_mean(losses[1]), correct
    if workload == "cnn":
        for i in (0, 2):
            x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, weights[i], 1, "VALID"), weights[i + 1]))
            x = tf.nn.max_pool2d(x, 2, 2, "VALID")
        weights = weights[4:]
    x = tf.reshape(x, [-1, weights[0].shape[0]])
    for i in range(0, len(weights), 2):
        x = tf.nn.bias_add(tf.matmul(x, weights[i]), weights[i + 1])
        if i < len(weights) - 2:
            x = tf.nn.relu(x)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=x))
    correct = tf.reduce_sum(tf.cast(tf.equal(tf.argmax(x, 1, tf.int32), labels), tf.float32))
    return loss, correct


def gradients(workload, weights, images, labels):
    with tf.GradientTape() as tape:
        tape.watch([weight for weight in weights if not isinstance(weight, tf.Variable)])
        loss, correct = loss_of(workload, weights, images, labels)
    return loss, correct, tape.gradient(loss, weights)


def apply_sgd(variable, gradient):
    """One op beside the variable, as TensorFlow's own optimizers do: on a parameter server only the gradient crosses the wire."""
    return tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=LEARNING_RATE, delta=gradient)


def one_thread():
    tf.config.threading.set_intra_op_parallelism_threads(int(os.environ.get("BENCH_THREADS", "1")))
