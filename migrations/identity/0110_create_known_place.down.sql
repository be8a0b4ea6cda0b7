DROP TABLE identity.known_network;
DROP TABLE identity.known_device;
