/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows of other implementations, from the program that DMAMAP_PEERS names. Its output is not
 * trusted: a line that is not an object with a name and a mean is ignored.
 */
#include "bench.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUMBER_MAX 1e15

extern char **environ;

static const struct {
	const char *what;
	const char *names[3];
} peers[] = {
	{"map", {"dma-path", "pgtable"}},  {"iova", {"iova", "iova-frag"}},
	{"dmapool", {"dmapool"}},	   {"translate", {"pgtable"}},
	{"swiotlb", {"swiotlb"}},	   {"xsk", {"xsk", "dpdk"}},
	{"odp", {"ucx", "interval-tree"}},
};

/* A missing, negative or too large number is replaced by `otherwise`. */
static double bench_peers_number(struct json_object *o, const char *key, double otherwise)
{
	struct json_object *v;
	double value;

	if (!json_object_object_get_ex(o, key, &v))
		return otherwise;
	value = json_object_get_double(v);
	return value >= 0 && value <= NUMBER_MAX ? value : otherwise;
}

static void bench_peers_line_take(struct bench *b, const char *line)
{
	struct json_object *o = json_tokener_parse(line), *name;
	struct bench_row row = {0};
	double threads;

	if (!o || !json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, "name", &name))
		goto out;
	row.name = (char *)json_object_get_string(name);
	row.mean_ns = bench_peers_number(o, "mean_ns", -1);
	if (!row.name || strncmp(row.name, "peer:", 5) || row.mean_ns < 0)
		goto out;
	threads = bench_peers_number(o, "threads", 1);
	row.threads = threads < UINT_MAX ? (unsigned int)threads : UINT_MAX;
	row.ops = (u64)bench_peers_number(o, "ops", 0);
	row.max_ns = bench_peers_number(o, "max_ns", row.mean_ns);
	row.p50_ns =
		bench_peers_number(o, "p50_ns", bench_peers_number(o, "median_ns", row.mean_ns));
	/* With few repetitions the maximum is also the 99th percentile. */
	row.p99_ns = bench_peers_number(o, "p99_ns", row.max_ns);
	row.p999_ns = bench_peers_number(o, "p999_ns", row.max_ns);
	bench_row_add(b, &row);
out:
	json_object_put(o);
}

/* Starts the program. Returns its output, or NULL. */
static FILE *bench_peers_start(char **argv, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	int fd[2], err;
	FILE *f;

	if (pipe(fd))
		return NULL;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, fd[0]);
	posix_spawn_file_actions_addclose(&actions, fd[1]);
	err = posix_spawn(pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fd[1]);
	f = err ? NULL : fdopen(fd[0], "r");
	if (!f)
		close(fd[0]);
	errno = err ? err : errno;
	return f;
}

void bench_peers(struct bench *b)
{
	const char *program = getenv("DMAMAP_PEERS");
	char *argv[8] = {(char *)program, (char *)"--quick"}, *line = NULL;
	unsigned int n = 2;
	int status = 0;
	size_t size = 0;
	pid_t pid;
	FILE *f;

	if (!program || !*program)
		return;
	for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
		for (int k = 0; !strcmp(peers[i].what, b->what) && peers[i].names[k]; k++)
			argv[n++] = (char *)peers[i].names[k];
	}
	f = bench_peers_start(argv, &pid);
	if (!f) {
		cli_fail("DMAMAP_PEERS: cannot run %s: %s; its rows are missing", program,
			 strerror(errno));
		return;
	}
	while (!cli_interrupted() && getline(&line, &size, f) > 0)
		bench_peers_line_take(b, line);
	free(line);
	fclose(f);
	if (cli_interrupted())
		kill(pid, SIGTERM);
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		cli_fail("DMAMAP_PEERS: %s failed; its rows may be missing", program);
}
