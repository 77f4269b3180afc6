/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Included before each file of the contract's body when it is built for devices that another
 * process serves. The server is the one of the unit tests, in this process. It does what
 * <dmamap/bus.h> would do: through the file of RAM, or by messages to the client.
 */
#ifndef TESTS_CONTRACT_VFUSER_PLAYER_H
#define TESTS_CONTRACT_VFUSER_PLAYER_H

#include "player.h"

void player_start(void); /* starts the server */
void player_end(void);

#define CONTRACT_ON_VFUSER 1

#endif
