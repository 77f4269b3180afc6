/* SPDX-License-Identifier: BSD-2-Clause */
/* The dmamap program: finds the subcommand and calls it. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{"list", cmd_list,
	 "PCI functions, and whether dmamap can open each; the simulated devices"},
	{"bind", cmd_bind, "binds a PCI function to vfio-pci, so that it can be opened"},
	{"unbind", cmd_unbind, "binds it to the kernel's driver again"},
	{"info", cmd_info, "masks, limits, policy and memory of one device"},
	{"nvme", cmd_nvme, "read and write a disk by DMA: identify, read, write, verify, bench"},
	{"net", cmd_net, "packets through an XSK socket: rx, tx, forward, echo"},
	{"edu", cmd_edu, "the teaching device: selftest"},
	{"kmod", cmd_kmod, "unmodified Linux kernel drivers: names, build, run, fail, expect"},
	{"bench", cmd_bench,
	 "speeds: map, iova, dmapool, translate, swiotlb, xsk, twostep, odp, check"},
	{"check", cmd_check, "kinds of misuse that the checker reports: list, demo"},
	{"faults", cmd_faults, "accesses that were refused to a device"},
	{"serve", cmd_serve, "simulated devices for virtual machines, by vfio-user"},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

const char *argp_program_version = "dmamap " DMAMAP_VERSION;

static const struct command *main_command_find(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

static int main_usage(FILE *to, int status)
{
	fprintf(to, "Usage: dmamap COMMAND [OPTION...]\n"
		    "The Linux DMA-mapping API in user space.\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fprintf(to, "  %-8s %s\n", "help",
		"this text, or the help of a command: dmamap help COMMAND");
	fprintf(to, "\nEvery command accepts --json and --help. Sizes are written 64K, 2M, "
		    "1G.\nExit status: 0 done, 1 failed, 2 wrong usage.\n");
	return status;
}

static int main_run_command(const struct command *c, int argc, char **argv)
{
	static char name[32];

	snprintf(name, sizeof(name), "dmamap %s", c->name);
	argv[0] = name;
	argp_err_exit_status = CLI_USAGE;
	return c->run(argc, argv);
}

static int main_unknown(const char *name)
{
	fprintf(stderr, "dmamap: there is no command '%s': see dmamap help\n", name);
	return CLI_USAGE;
}

static int main_help(const char *name)
{
	char option[] = "--help", empty[] = "";
	char *argv[] = {empty, option, NULL};
	const struct command *c;

	if (!name)
		return main_usage(stdout, CLI_DONE);
	c = main_command_find(name);
	return c ? main_run_command(c, 2, argv) : main_unknown(name);
}

int main(int argc, char **argv)
{
	const struct command *c;

	output_init();
	if (argc < 2)
		return main_usage(stderr, CLI_USAGE);
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return main_help(argc > 2 ? argv[2] : NULL);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts(argp_program_version);
		return CLI_DONE;
	}
	c = main_command_find(argv[1]);
	return c ? main_run_command(c, argc - 1, argv + 1) : main_unknown(argv[1]);
}
