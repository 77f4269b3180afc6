/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench-vfuser DMAMAP SPEC BAR OFFSET: a register read over vfio-user beside a bare round trip of
 * 40 bytes over a socket pair, in turns, everything on one core. DMAMAP is the command, which
 * serves SPEC; the register has 4 bytes and must not be in a mapped area. Prints the lowest time of
 * each in nanoseconds, and their ratio.
 */
#include "ticks.h"

#include <dmamap/device.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 300
#define TIMES  100
#define BYTES  40

static void pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static pid_t start_echo(int fd)
{
	char bytes[BYTES];
	pid_t child = fork();

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (recv(fd, bytes, sizeof(bytes), 0) == BYTES &&
	       send(fd, bytes, sizeof(bytes), 0) == BYTES)
		;
	_exit(0);
}

static pid_t start_server(const char *command, const char *spec, const char *path)
{
	pid_t child = fork();

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execl(command, command, "serve", spec, "--socket", path, (char *)NULL);
	_exit(1);
}

static struct device *open_served(const char *path)
{
	struct device *dev = NULL;
	char spec[128];

	snprintf(spec, sizeof(spec), "vfio-user:%s", path);
	for (int tries = 0; !dev && tries < 200; tries++) {
		usleep(20000);
		dev = dmamap_open(spec);
	}
	if (!dev)
		fprintf(stderr, "bench-vfuser: %s\n", dmamap_strerror());
	return dev;
}

static double measure_bare(int fd)
{
	char bytes[BYTES] = {0};
	u64 began = ticks_clock_ns();

	for (int i = 0; i < TIMES; i++)
		if (send(fd, bytes, sizeof(bytes), 0) != BYTES ||
		    recv(fd, bytes, sizeof(bytes), 0) != BYTES)
			exit(1);
	return (double)(ticks_clock_ns() - began) / TIMES;
}

static double measure_register(struct device *dev, int bar, u64 offset)
{
	u64 began = ticks_clock_ns();

	for (int i = 0; i < TIMES; i++)
		dmamap_readl(dev, bar, offset);
	return (double)(ticks_clock_ns() - began) / TIMES;
}

int main(int argc, char **argv)
{
	char path[64];
	double bare = 1e9, reg = 1e9;
	struct device *dev;
	pid_t echo, server;
	int fd[2];

	if (argc != 5) {
		fprintf(stderr, "usage: bench-vfuser DMAMAP SPEC BAR OFFSET\n");
		return 2;
	}
	pin();
	snprintf(path, sizeof(path), "/tmp/dmamap-bench-vfu-%d", (int)getpid());
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd))
		return 1;
	echo = start_echo(fd[1]);
	server = start_server(argv[1], argv[2], path);
	dev = open_served(path);
	for (int i = 0; dev && i < ROUNDS; i++) {
		double b = measure_bare(fd[0]);
		double r = measure_register(dev, atoi(argv[3]), strtoull(argv[4], NULL, 0));

		bare = b < bare ? b : bare;
		reg = r < reg ? r : reg;
	}
	if (dev)
		printf("bare %.0f ns, register %.0f ns, ratio %.2f\n", bare, reg, reg / bare);
	dmamap_close(dev);
	kill(server, SIGTERM);
	kill(echo, SIGKILL);
	waitpid(server, NULL, 0);
	waitpid(echo, NULL, 0);
	unlink(path);
	return dev ? 0 : 1;
}
