/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every dmamap_open() reads the environment, and a changed value takes effect. If a word is
 * unknown, the error message names it and the device is not opened, because a user who misspells
 * "own" relies on the check. Older values are not freed, because another thread may be using them
 * for a report.
 */
#include "report/options.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/fork.h"
#include "report/misuse.h"
#include "report/stack.h"

#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_LONGEST 256

struct check_options check_options = {.stacks = STACK_DEFAULT, .json = -1};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *taken;			    /* the value in force; under lock */
static struct check_suppressions *outdated; /* lists that were in force; under lock */
static bool fail_read;			    /* DMAMAP_FAIL was read; under lock */

static int options_read_number(const char *value, u32 max, u32 *out)
{
	unsigned long n;
	char *end;

	if (!isdigit((unsigned char)*value))
		return -EINVAL;
	errno = 0;
	n = strtoul(value, &end, 10);
	if (*end || errno || n > max)
		return -EINVAL;
	*out = (u32)n;
	return 0;
}

static int options_add_suppression(struct check_options *o, const struct check_suppression *s)
{
	u64 n = o->suppress ? o->suppress->n : 0, size = sizeof(*o->suppress);
	struct check_suppressions *p =
		alloc_grow(o->suppress, n ? size + n * sizeof(*s) : 0, size + (n + 1) * sizeof(*s));

	if (!p)
		return -ENOMEM;
	o->suppress = p;
	p->list[n] = *s;
	p->n = n + 1;
	return 0;
}

/* A line of the file has three words, or none and possibly a comment. */
static int options_read_line(struct check_options *o, char *line, const char *path, int number)
{
	struct check_suppression s;
	char rest;
	int n;

	line[strcspn(line, "#\n")] = 0;
	n = sscanf(line, "%31s %95s %63s %c", s.kind, s.function, s.device, &rest);
	if (n <= 0)
		return 0;
	if (n != 3)
		return error_set(EINVAL,
				 "%s:%d: a suppression is three words, KIND FUNCTION DEVICE; shell "
				 "patterns may stand for each",
				 path, number);
	return options_add_suppression(o, &s);
}

static int options_read_suppressions(struct check_options *o, const char *path)
{
	char line[LINE_LONGEST];
	FILE *f = fopen(path, "re");
	int err = 0;

	if (!f)
		return error_set(EINVAL, "DMAMAP_CHECK: cannot read the suppressions in \"%s\": %s",
				 path, strerror(errno));
	for (int number = 1; !err && fgets(line, sizeof(line), f); number++)
		err = strlen(line) == sizeof(line) - 1
			      ? error_set(EINVAL, "%s:%d: the line is too long", path, number)
			      : options_read_line(o, line, path, number);
	/* opening a directory succeeds, but reading it fails */
	if (!err && ferror(f))
		err = error_set(EINVAL, "DMAMAP_CHECK: cannot read the suppressions in \"%s\": %s",
				path, strerror(errno));
	fclose(f);
	return err;
}

static int options_open_json(struct check_options *o, const char *path)
{
	if (o->json >= 0)
		close(o->json);
	o->json = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	return o->json >= 0 ? 0
			    : error_set(EINVAL, "DMAMAP_CHECK: cannot write to \"%s\": %s", path,
					strerror(errno));
}

static int options_read_key(struct check_options *o, const char *key, const char *value)
{
	int err;

	if (!strcmp(key, "suppress"))
		return options_read_suppressions(o, value);
	if (!strcmp(key, "json"))
		return options_open_json(o, value);
	if (!strcmp(key, "stacks"))
		err = options_read_number(value, STACK_MAX, &o->stacks);
	else if (!strcmp(key, "exitcode"))
		err = options_read_number(value, 255, &o->exitcode);
	else if (!strcmp(key, "first"))
		err = options_read_number(value, INT32_MAX, &o->first);
	else
		return -ENOENT;
	return err ? error_set(EINVAL, "DMAMAP_CHECK: \"%s\" is not a valid value for %s", value,
			       key)
		   : 0;
}

static int options_read_word(struct check_options *o, char *word)
{
	char *value = strchr(word, '=');
	int err = -ENOENT;

	o->on = true;
	if (value) {
		*value = 0;
		err = options_read_key(o, word, value + 1);
		*value = '=';
	} else if (!strcmp(word, "0")) {
		o->on = false;
		err = 0;
	} else if (!strcmp(word, "1")) {
		err = 0;
	} else if (!strcmp(word, "abort")) {
		o->abort = true;
		err = 0;
	} else if (!strcmp(word, "own")) {
		o->own = true;
		err = 0;
	}
	if (err == -ENOENT)
		return error_set(EINVAL,
				 "DMAMAP_CHECK: unknown word \"%s\"; words are 1, 0, abort, own, "
				 "stacks=N, exitcode=N, first=N, suppress=FILE, json=FILE",
				 word);
	return err;
}

/* For exitcode=N. Registered once; uses the options in force at exit. */
static void options_at_exit(int status, void *arg)
{
	if (status || !check_options.exitcode || !dmamap_check_count(0))
		return;
	fflush(NULL);
	_exit((int)check_options.exitcode);
}

static int options_read_check(const char *text)
{
	static bool registered;
	struct check_options o = {.stacks = STACK_DEFAULT, .json = -1};
	char *copy = alloc_string(text), *regcache = alloc_string(text), *save, *word;
	int err = copy && regcache ? 0 : error_set(ENOMEM, "DMAMAP_CHECK: out of memory");

	if (!err)
		for (word = strtok_r(copy, ",", &save); word && !err;
		     word = strtok_r(NULL, ",", &save))
			err = options_read_word(&o, word);
	alloc_free(copy);
	if (err) {
		alloc_free(regcache);
		alloc_free(o.suppress);
		if (o.json >= 0)
			close(o.json);
		return err;
	}
	if (o.exitcode && !registered)
		registered = !on_exit(options_at_exit, NULL);
	if (check_options.suppress) {
		check_options.suppress->older = outdated;
		outdated = check_options.suppress;
	}
	check_options = o;
	alloc_free(taken);
	taken = regcache;
	return 0;
}

int check_environment(bool *on, bool *own)
{
	const char *text = getenv("DMAMAP_CHECK"), *plan = getenv("DMAMAP_FAIL");
	int err = 0;

	pthread_mutex_lock(&lock);
	if (!text)
		text = "";
	if (!taken ? *text != 0 : strcmp(text, taken) != 0)
		err = options_read_check(text);
	if (!err && !fail_read && plan) {
		err = dmamap_fail(plan);
		if (err)
			error_prefix("DMAMAP_FAIL");
	}
	fail_read |= !err;
	*on = check_options.on;
	*own = check_options.own;
	pthread_mutex_unlock(&lock);
	return err;
}

static void options_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
}

FORK_HOOK(options_hook, NULL, NULL, options_fork_child);
