DROP TABLE pipeline.stage;
DROP TABLE pipeline.pipeline_version;
DROP TABLE pipeline.pipeline;
DROP TABLE pipeline.pipeline_head;
