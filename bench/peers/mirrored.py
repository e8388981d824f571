"""TensorFlow's MultiWorkerMirroredStrategy: two processes, synchronous. `mirrored.py MNIST_FOLDER`. See commands.py."""

import json
import os
import subprocess
import sys
import time

import tensorflow as tf

import commands
import workloads
from ports import free_ports

WORKERS = 2
WARM_UP_STEPS = 20


def main():
    workloads.one_thread()
    index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=tf.distribute.experimental.CommunicationImplementation.RING
    )
    strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    images, labels = workloads.batches(sys.argv[1])
    made = {}

    def make(workload):
        with strategy.scope():
            variables = workloads.variables(workload)

        def update(strategy, gradients):
            for variable, gradient in zip(variables, gradients):
                strategy.extended.update(variable, workloads_sgd, args=(gradient,))

        def replica(x, y):
            loss, correct, gradients = workloads.gradients(workload, variables, x, y)
            context = tf.distribute.get_replica_context()
            context.merge_call(update, args=(context.all_reduce(tf.distribute.ReduceOp.MEAN, gradients),))
            return loss, correct

        return tf.function(lambda x, y: strategy.run(replica, args=(x, y)))

    def run_steps(step, count):
        for i in range(count):
            loss, _ = step(tf.constant(images[i % workloads.BATCHES]), tf.constant(labels[i % workloads.BATCHES]))
        float(strategy.experimental_local_results(loss)[0])

    def run(workload, steps):
        if workload not in made:
            made[workload] = make(workload)
            run_steps(made[workload], WARM_UP_STEPS)
        run_steps(made[workload], steps)

    if index > 0:
        # Does the same steps as the first, which says how many.
        for line in sys.stdin:
            workload, steps = json.loads(line)
            run(workload, steps)
        os._exit(0)

    def both(workload, steps):
        follower.stdin.write(json.dumps([workload, steps]) + "\n")
        follower.stdin.flush()
        began = time.perf_counter()
        run(workload, steps)
        return time.perf_counter() - began

    def timed(workload, window):
        both(workload, WARM_UP_STEPS)
        steps = max(WARM_UP_STEPS, int(WARM_UP_STEPS * window / both(workload, WARM_UP_STEPS)))
        commands.answer({"begin": True})
        seconds = both(workload, steps)
        return {"examples": WORKERS * steps * workloads.BATCH_SIZE, "seconds": seconds}

    commands.serve({"train": timed})
    follower.stdin.close()
    os._exit(0)


def workloads_sgd(variable, gradient):
    variable.assign_sub(workloads.LEARNING_RATE * gradient)


if "TF_CONFIG" in os.environ:
    follower = None
    main()
else:
    addresses = [f"127.0.0.1:{port}" for port in free_ports(WORKERS)]

    def config(i):
        return json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": i}})

    # Ends when this process does: the other end of its standard input closes.
    follower = subprocess.Popen(
        [sys.executable, __file__, sys.argv[1]],
        stdin=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CONFIG": config(1)},
    )
    os.environ["TF_CONFIG"] = config(0)
    main()
