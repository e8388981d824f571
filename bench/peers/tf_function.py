"""One process and a `tf.function`: `tf_function.py MNIST_FOLDER`. See commands.py."""

import sys
import time

import numpy as np
import tensorflow as tf

import commands
import workloads

workloads.one_thread()
# One thread for one op leaves two for two ops at once: ways of an inception module, or both gradients of a convolution.
tf.config.threading.set_inter_op_parallelism_threads(1)
images, labels = workloads.batches(sys.argv[1])


def host_to_host(workload):
    """As the compiled step: parameters as one flat vector from the host, gradients as one flat vector to the host."""
    shapes = workloads.shapes(workload)
    sizes = [int(np.prod(shape)) for shape in shapes]

    @tf.function
    def step(flat, x, y):
        weights = [tf.reshape(part, shape) for part, shape in zip(tf.split(flat, sizes), shapes)]
        loss, correct, gradients = workloads.gradients(workload, weights, x, y)
        return loss, correct, tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], 0)

    flat = np.concatenate([variable.numpy().ravel() for variable in workloads.variables(workload)])
    target = np.empty_like(flat)

    def one(i):
        loss, _, gradient = step(tf.constant(flat), tf.constant(images[i]), tf.constant(labels[i]))
        target[:] = gradient.numpy()
        float(loss)

    return one


def in_place(workload):
    """Training as a user writes it: variables stay in TensorFlow."""
    variables = workloads.variables(workload)

    @tf.function
    def step(x, y):
        loss, correct, gradients = workloads.gradients(workload, variables, x, y)
        for variable, gradient in zip(variables, gradients):
            workloads.apply_sgd(variable, gradient)
        return loss, correct

    def one(i):
        loss, _ = step(tf.constant(images[i]), tf.constant(labels[i]))
        float(loss)

    return one


made = {}


def timed(make):
    def run(workload, window):
        if (make, workload) not in made:
            made[make, workload] = make(workload)
        one = made[make, workload]
        for i in range(5):
            one(i)
        steps, began, cpu = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - began < window:
            one(steps % workloads.BATCHES)
            steps += 1
        seconds = time.perf_counter() - began
        return {
            "examples": steps * workloads.BATCH_SIZE,
            "seconds": seconds,
            "cpuSeconds": time.process_time() - cpu,
        }

    return run


commands.serve({"host": timed(host_to_host), "in-place": timed(in_place)})
