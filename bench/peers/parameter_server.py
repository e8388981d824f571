"""TensorFlow's own ParameterServerStrategy: a coordinator (this process), two workers, one parameter server, a process each.
`parameter_server.py MNIST_FOLDER`. See commands.py."""

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
WARM_UP_STEPS = 40


def serve_task(job, index):
    """A worker or the parameter server: does what the coordinator says until its standard input ends."""
    config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=WORKERS + 2)
    server = tf.distribute.Server(
        tf.train.ClusterSpec(json.loads(os.environ["BENCH_CLUSTER"])),
        job_name=job,
        task_index=index,
        protocol="grpc",
        config=config,
    )
    assert server
    sys.stdin.read()
    # gRPC's threads would keep it.
    os._exit(0)


def main():
    workloads.one_thread()
    addresses = [f"127.0.0.1:{port}" for port in free_ports(WORKERS + 1)]
    cluster = {"worker": addresses[:WORKERS], "ps": addresses[WORKERS:]}
    environment = {**os.environ, "BENCH_CLUSTER": json.dumps(cluster)}
    tasks = [("worker", i) for i in range(WORKERS)] + [("ps", 0)]
    # Each ends when this process does: the other end of its standard input closes.
    children = [
        subprocess.Popen([sys.executable, __file__, "task", job, str(i)], stdin=subprocess.PIPE, env=environment)
        for job, i in tasks
    ]
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(cluster), rpc_layer="grpc"
    )
    strategy = tf.distribute.experimental.ParameterServerStrategy(resolver)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    images, labels = workloads.batches(sys.argv[1])

    def input_of(_context):
        data = tf.data.Dataset.from_tensor_slices((images, labels)).repeat().prefetch(2)
        options = tf.data.Options()
        options.threading.private_threadpool_size = 1
        return data.with_options(options)

    iterator = iter(coordinator.create_per_worker_dataset(lambda: strategy.distribute_datasets_from_function(input_of)))
    made = {}

    def make(workload):
        with strategy.scope():
            variables = workloads.variables(workload)

        @tf.function
        def step(iterator):
            def replica(batch):
                loss, correct, gradients = workloads.gradients(workload, variables, *batch)
                for variable, gradient in zip(variables, gradients):
                    workloads.apply_sgd(variable, gradient)
                return loss, correct

            return strategy.run(replica, args=(next(iterator),))

        return step

    def run_steps(step, count):
        for _ in range(count):
            coordinator.schedule(step, args=(iterator,))
        coordinator.join()

    def run(workload, window):
        """One step per schedule."""
        if workload not in made:
            made[workload] = make(workload)
            run_steps(made[workload], WARM_UP_STEPS)
        step = made[workload]
        began = time.perf_counter()
        run_steps(step, WARM_UP_STEPS)
        # One join a round costs nothing beside a third of the window.
        round_steps = max(WARM_UP_STEPS, int(WARM_UP_STEPS * window / 3 / (time.perf_counter() - began)))
        commands.answer({"begin": True})
        steps, began = 0, time.perf_counter()
        while time.perf_counter() - began < window:
            run_steps(step, round_steps)
            steps += round_steps
        return {"examples": steps * workloads.BATCH_SIZE, "seconds": time.perf_counter() - began}

    commands.serve({"train": run})
    for child in children:
        child.stdin.close()
    os._exit(0)


if sys.argv[1] == "task":
    serve_task(sys.argv[2], int(sys.argv[3]))
else:
    main()
