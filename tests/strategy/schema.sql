-- Campaign Definitions
CREATE TABLE campaigns (
    id UUID PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    segment_type VARCHAR(50) NOT NULL, -- 'aida_users', 'incomplete_courses', 'no_show', 'unclaimed_certificates'
    status VARCHAR(20) DEFAULT 'draft', -- 'draft', 'active', 'paused', 'completed'
    start_date TIMESTAMP,
    end_date TIMESTAMP,
    created_at TIMESTAMP DEFAULT NOW(),
    updated_at TIMESTAMP DEFAULT NOW()
);

-- Campaign Messages (Template References)
CREATE TABLE campaign_messages (
    id UUID PRIMARY KEY,
    campaign_id UUID REFERENCES campaigns(id),
    sequence_order INT NOT NULL,
    channel VARCHAR(20) NOT NULL, -- 'whatsapp', 'sms', 'email'
    delay_days INT NOT NULL, -- Days after campaign start or previous message
    template_id VARCHAR(100) NOT NULL, -- Reference to message template
    subject_line TEXT, -- For emails only
    created_at TIMESTAMP DEFAULT NOW()
);

-- User Campaign Enrollment
CREATE TABLE campaign_enrollments (
    id UUID PRIMARY KEY,
    campaign_id UUID REFERENCES campaigns(id),
    user_id INT NOT NULL, -- Reference to doctors table
    enrolled_at TIMESTAMP DEFAULT NOW(),
    status VARCHAR(20) DEFAULT 'active', -- 'active', 'completed', 'unsubscribed', 'bounced'
    completed_at TIMESTAMP,
    unsubscribed_at TIMESTAMP
);

-- Message Delivery Tracking
CREATE TABLE message_deliveries (
    id UUID PRIMARY KEY,
    enrollment_id UUID REFERENCES campaign_enrollments(id),
    campaign_message_id UUID REFERENCES campaign_messages(id),
    channel VARCHAR(20) NOT NULL,
    scheduled_at TIMESTAMP NOT NULL,
    sent_at TIMESTAMP,
    delivered_at TIMESTAMP,
    opened_at TIMESTAMP,
    clicked_at TIMESTAMP,
    status VARCHAR(20) DEFAULT 'scheduled', -- 'scheduled', 'sent', 'delivered', 'failed', 'opened', 'clicked'
    error_message TEXT,
    external_id VARCHAR(255), -- Provider's message ID
    created_at TIMESTAMP DEFAULT NOW()
);

-- User Segment Cache (for performance)
CREATE TABLE user_segments (
    id UUID PRIMARY KEY,
    user_id INT NOT NULL,
    segment_type VARCHAR(50) NOT NULL,
    segment_data JSONB, -- Store segment-specific metadata
    calculated_at TIMESTAMP DEFAULT NOW(),
    expires_at TIMESTAMP,
    UNIQUE(user_id, segment_type)
);

-- Message Templates (MongoDB-like structure in JSONB)
CREATE TABLE message_templates (
    id UUID PRIMARY KEY,
    template_key VARCHAR(100) UNIQUE NOT NULL,
    channel VARCHAR(20) NOT NULL,
    segment_type VARCHAR(50) NOT NULL,
    sequence_order INT NOT NULL,
    template_content TEXT NOT NULL, -- With {{variable}} placeholders
    subject_line TEXT, -- For emails
    variables JSONB, -- Array of required variables
    created_at TIMESTAMP DEFAULT NOW(),
    updated_at TIMESTAMP DEFAULT NOW()
);

-- Campaign Analytics
CREATE TABLE campaign_analytics (
    id UUID PRIMARY KEY,
    campaign_id UUID REFERENCES campaigns(id),
    date DATE NOT NULL,
    channel VARCHAR(20) NOT NULL,
    total_sent INT DEFAULT 0,
    total_delivered INT DEFAULT 0,
    total_opened INT DEFAULT 0,
    total_clicked INT DEFAULT 0,
    total_failed INT DEFAULT 0,
    total_unsubscribed INT DEFAULT 0,
    updated_at TIMESTAMP DEFAULT NOW(),
    UNIQUE(campaign_id, date, channel)
);

-- Unsubscribe Records
CREATE TABLE unsubscribe_records (
    id UUID PRIMARY KEY,
    user_id INT NOT NULL,
    channel VARCHAR(20), -- NULL means all channels
    segment_type VARCHAR(50), -- NULL means all segments
    reason TEXT,
    unsubscribed_at TIMESTAMP DEFAULT NOW()
);

-- Indexes for performance
CREATE INDEX idx_campaign_enrollments_user ON campaign_enrollments(user_id);
CREATE INDEX idx_campaign_enrollments_campaign ON campaign_enrollments(campaign_id);
CREATE INDEX idx_campaign_enrollments_status ON campaign_enrollments(status);
CREATE INDEX idx_message_deliveries_scheduled ON message_deliveries(scheduled_at) WHERE status = 'scheduled';
CREATE INDEX idx_message_deliveries_enrollment ON message_deliveries(enrollment_id);
CREATE INDEX idx_user_segments_user ON user_segments(user_id);
CREATE INDEX idx_user_segments_type ON user_segments(segment_type);
CREATE INDEX idx_user_segments_expires ON user_segments(expires_at);
