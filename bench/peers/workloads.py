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


def shapes(workload):
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
