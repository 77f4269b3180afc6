/* SPDX-License-Identifier: BSD-2-Clause */
/* Declarations shared by the subcommands. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <argp.h>
#include <dmamap/device.h>
#include <dmamap/types.h>
#include <json-c/json.h>

/* Exit status of every command. */
enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* The table in main.c. argv[0] of a subcommand is its own name. */
int cmd_list(int argc, char **argv);
int cmd_bind(int argc, char **argv);
int cmd_unbind(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_kmod(int argc, char **argv);
int cmd_nvme(int argc, char **argv);
int cmd_net(int argc, char **argv);
int cmd_edu(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_faults(int argc, char **argv);
int cmd_serve(int argc, char **argv);

/*
 * options.c: --device and --json, as a child of each command's parser; its input is a struct
 * common.
 */
struct cli_common {
	const char *device; /* the spec; NULL: not given */
	bool json;
	bool by_argument; /* `dmamap info`: the device was not given by --device */
};
extern const struct argp common_argp;
/* For the parser of a command without other options. */
extern const struct argp_option common_options[];
error_t common_option(int key, char *arg, struct argp_state *state);

/* Parses 4096, 64K, 2M, 1G, 1T. False: not a size; *out is unchanged. */
bool size_parse(const char *text, u64 *out);
/* size_parse(), or a usage error that names the option; in that case it does not return. */
u64 size_option(struct argp_state *state, const char *option, const char *text);
/* Parses a decimal number from least to most; on failure a usage error. */
unsigned int number_option(struct argp_state *state, const char *option, const char *text,
			   unsigned int least, unsigned int most);
double seconds_option(struct argp_state *state, const char *option, const char *text);
/* Copies the value of a key of a spec. False: there is none, or it does not fit. */
bool spec_value(const char *spec, const char *key, char *out, size_t size);
/* The target in "sim:TARGET,..." is `name`. */
bool spec_target_is(const char *spec, const char *name);

/* info_model.c: `dmamap info sim:NAME` */
bool info_is_model(const char *spec);
int info_model(const char *spec, bool json);

/* output.c */
/* main() calls it first. If output cannot be written, the exit status becomes CLI_FAILED. */
void output_init(void);
/* True: earlier output could not be written, so the command should end. */
bool output_lost(void);
/* Prints "dmamap: ..." on standard error; returns CLI_FAILED. */
int cli_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Stores an error message unless `error` holds one already; returns false. */
bool error_keep(char *error, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Opens the device of a command, or prints the error message. */
struct device *device_open(const char *spec);
/*
 * To be called after a driver failed. If the device was refused an address because it has fewer
 * address lines than the driver's mask has bits, `out` becomes the end of an error message that
 * explains this, beginning with ": ". Otherwise `out` becomes "". `has_option`: the command has
 * --mask.
 */
void device_explain(struct device *dev, bool has_option, char *out, size_t size);
/* Returns strict, lazy, identity, persistent, or direct for a device without an IOMMU. */
const char *device_policy(const struct device *dev);
/*
 * Prints the document on standard output and frees it. Returns CLI_DONE, or CLI_FAILED if it could
 * not be written.
 */
int json_finish(struct json_object *doc);
struct json_object *json_number(double value, int digits); /* NULL: not finite */
void json_put_text(struct json_object *o, const char *key, const char *value);
void json_put_u64(struct json_object *o, const char *key, u64 value);
void json_put_bool(struct json_object *o, const char *key, bool value);
void json_put_number(struct json_object *o, const char *key, double value, int digits);

/* signals.c: SIGINT and SIGTERM set a flag, in the main thread only. */
/* call it before a device is opened: its threads inherit the blocked signals */
void signals_init(void);
void signals_unblock(void); /* call it after a device was opened */
bool cli_interrupted(void);
/* Waits until fd can be read or written; a signal always ends the wait. False: interrupted. */
bool wait_ready(int fd, bool to_write);

/* progress.c: a bar on standard error if that is a terminal. */
struct cli_progress {
	const char *label;
	u64 total; /* bytes; 0: unknown */
	u64 started_ns, shown_ns;
	bool on;
};
void progress_start(struct cli_progress *p, const char *label, u64 total, bool quiet);
void progress_show(struct cli_progress *p, u64 done);
void progress_end(struct cli_progress *p);

#endif
